// What is drawn, as values: h() makes a tree, mount() draws it and changes only what is different.
//
//   h("button.primary", { onclick: save, disabled: busy }, "Save")     an element, with classes in its name
//   h(Component, { run, key: run.run })                                 a component: see below
//
// Text is always a text node: nothing that anybody has written becomes HTML. Children with a `key` keep their elements
// when they change places. `null`, `false` and `undefined` draw nothing.
//
// A component is a function (props, self) => render, called once; render(props) is called whenever it is to be drawn,
// and gives one element. State is in its variables; self.update() has it drawn again, with the next frame.
//   self.onmount(fn)   fn(element) once it is in the page; what fn returns is called when it leaves
//   self.element       the element
//
// Props that are no attributes: `on…` are listeners, `class` may be a list with gaps, `style` is an object of CSS
// properties (custom ones, too), `dataset` is an object, `ref` is told the element, and what PROPERTIES names is set as
// a property, for it changes when somebody types.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(
  "svg g path circle ellipse rect line polyline polygon text tspan defs marker title use clipPath linearGradient stop pattern".split(" "),
);
const PROPERTIES = new Set(["value", "checked", "indeterminate", "selected", "scrollTop", "scrollLeft"]);
const TEXT = Symbol("text");

export function h(tag, props, ...children) {
  if (props === null || props === undefined || typeof props !== "object" || Array.isArray(props) || props.is === NODE) {
    children.unshift(props);
    props = {};
  }
  let classes = [];
  if (typeof tag === "string" && tag.includes(".")) [tag, ...classes] = tag.split(".");
  return { is: NODE, tag: tag || "div", classes, props, key: props.key, children: flat(children, []), element: null };
}

const NODE = Symbol("node");

function flat(children, into) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === true) continue;
    if (Array.isArray(child)) flat(child, into);
    else into.push(child.is === NODE ? child : { is: NODE, tag: TEXT, text: String(child), element: null });
  }
  return into;
}

// Draws a tree into an element, in place of what was drawn there before.
export function mount(node, into) {
  const drawn = into.drawn;
  into.drawn = node;
  if (drawn) patch(drawn, node);
  else into.replaceChildren(create(node));
  settle();
}

// -- making ------------------------------------------------------------------------------------------------------

function create(node) {
  if (node.tag === TEXT) return (node.element = document.createTextNode(node.text));
  if (typeof node.tag === "function") return begin(node);
  const element = SVG_TAGS.has(node.tag) ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  node.element = element;
  for (const child of node.children) element.append(create(child));
  set(element, node, { props: {}, classes: [] });
  if (node.props.ref) mounted.push(() => node.props.ref(element));
  return element;
}

function begin(node) {
  const self = { node, element: null, left: [], waiting: false, gone: false, update: () => later(self) };
  self.onmount = (fn) => mounted.push(() => !self.gone && add(self, fn(self.element)));
  node.self = self;
  self.render = node.tag(node.props, self);
  self.drawn = self.render({ ...node.props, children: node.children });
  self.element = create(self.drawn);
  return self.element;
}

function add(self, leave) {
  if (typeof leave === "function") self.left.push(leave);
}

let mounted = [];

function settle() {
  while (mounted.length) {
    const now = mounted;
    mounted = [];
    for (const one of now) one();
  }
}

// -- changing ----------------------------------------------------------------------------------------------------

// The element of a node: that of a component is what it has drawn last.
const elementOf = (node) => (typeof node.tag === "function" ? elementOf(node.self.drawn) : node.element);

function patch(old, node) {
  if (old.tag !== node.tag || old.key !== node.key) {
    elementOf(old).replaceWith(create(node));
    leave(old);
    return;
  }
  node.element = old.element;
  if (node.tag === TEXT) {
    if (old.text !== node.text) node.element.data = node.text;
  } else if (typeof node.tag === "function") {
    node.self = old.self;
    node.self.node = node;
    due.delete(node.self);
    redraw(node.self);
  } else {
    children(node.element, old.children, node.children);
    set(node.element, node, old);
  }
}

function redraw(self) {
  const drawn = self.render({ ...self.node.props, children: self.node.children });
  const before = self.drawn;
  self.drawn = drawn;
  patch(before, drawn);
  self.element = elementOf(drawn);
}

function children(element, old, fresh) {
  const keyed = new Map();
  const plain = [];
  for (const one of old) one.key === undefined ? plain.push(one) : keyed.set(one.key, one);
  const kept = new Set();
  let next = 0;
  // Without a key, it is the next one of the same kind: what comes and goes between others leaves them alone.
  const nextPlain = (tag) => {
    const found = plain.findIndex((one, n) => n >= next && one.tag === tag);
    if (found >= 0) next = found + 1;
    return plain[found];
  };
  for (const node of fresh) {
    const match = node.key === undefined ? nextPlain(node.tag) : keyed.get(node.key);
    if (match && match.tag === node.tag) {
      kept.add(match);
      patch(match, node);
    } else create(node);
  }
  for (const one of old) {
    if (kept.has(one)) continue;
    elementOf(one).remove();
    leave(one);
  }
  let at = element.firstChild;
  for (const node of fresh) {
    const own = elementOf(node);
    if (own === at) at = at.nextSibling;
    else element.insertBefore(own, at);
  }
}

// What leaves the page says so to its components, the innermost first.
function leave(node) {
  if (typeof node.tag === "function") {
    leave(node.self.drawn);
    node.self.gone = true;
    for (const one of node.self.left) one();
  } else if (node.tag !== TEXT) {
    for (const child of node.children) leave(child);
    if (node.props.ref) node.props.ref(null);
  }
}

// -- attributes --------------------------------------------------------------------------------------------------

function set(element, node, old) {
  const { props } = node;
  const named = classesOf(node);
  if (named !== classesOf(old)) named ? element.setAttribute("class", named) : element.removeAttribute("class");
  for (const name in old.props) if (!(name in props)) put(element, name, undefined, old.props[name]);
  for (const name in props) if (props[name] !== old.props[name] || PROPERTIES.has(name)) put(element, name, props[name], old.props[name]);
}

function classesOf(node) {
  const more = node.props.class;
  return [...node.classes, ...(Array.isArray(more) ? more : [more])].filter(Boolean).join(" ");
}

function put(element, name, value, before) {
  if (name === "key" || name === "class" || name === "ref") return;
  if (name.startsWith("on")) listen(element, name.slice(2), value);
  else if (name === "style") styles(element, value ?? {}, before ?? {});
  else if (name === "dataset") for (const key in value) element.dataset[key] = value[key];
  else if (PROPERTIES.has(name)) { if (element[name] !== value) element[name] = value ?? ""; }
  else if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : value);
}

function listen(element, kind, fn) {
  const listeners = (element.listeners ??= {});
  if (!(kind in listeners)) element.addEventListener(kind, (event) => listeners[kind]?.(event));
  listeners[kind] = fn;
}

function styles(element, value, before) {
  for (const name in before) if (!(name in value)) element.style.removeProperty(name);
  for (const name in value) if (value[name] !== before[name]) element.style.setProperty(name, value[name]);
}

// -- frames ------------------------------------------------------------------------------------------------------

const due = new Set();
let asked = false;

function later(self) {
  if (self.gone) return;
  due.add(self);
  if (asked) return;
  asked = true;
  frame(drawDue);
}

// With the next frame; in a page that nobody sees there are none, and it is done soon all the same.
export function frame(fn) {
  if (document.hidden) setTimeout(fn, 200);
  else requestAnimationFrame(fn);
}

function drawDue() {
  asked = false;
  const now = [...due];
  due.clear();
  for (const self of now) if (!self.gone) redraw(self);
  settle();
}
