"""Expressions (CEL) and bindings: how a template says what a task gets, and when it runs.

Problems, all of `ExpressionInvalid`:

    when compiled                                       when evaluated
    ACC200  does not parse                              ACC210  the variable is not available here
    ACC201  no such variable or function                ACC211  no such member
    ACC202  an operator on types it is not for          ACC212  a member of what has none
    ACC203  too long or nested too deeply               ACC213  beyond the end of a list
    ACC204  `${` without `}`                            ACC214  an operator on types it is not for
    ACC205  `tasks` without the name of a task          ACC215  any other error of CEL (division by zero, ...)
    ACC206  gives what is no JSON                       ACC216  too much data or work
    ACC207  a path that its schema does not have        ACC217  data that CEL cannot hold
    ACC208  gives another type than is needed here      ACC218  gives what is no JSON
"""

from accord.domain.expression.binding import (
    UNKNOWN,
    Binding,
    Computed,
    Entries,
    Items,
    Literal,
    Text,
    compile_binding,
    compile_partly,
    evaluate,
    expressions,
    part_of,
    unknown_at,
)
from accord.domain.expression.inference import COMPLETED, Inference, Types
from accord.domain.expression.program import Expression, compile_expression, syntax_of
from accord.domain.expression.reference import VARIABLES, Reference, Scope
from accord.domain.expression.static import (
    ERROR_RECORD,
    RUN_RECORD,
    TASK_RECORD,
    schema_of,
    schema_of_binding,
    static_problems,
    where,
)

__all__ = [
    "COMPLETED",
    "ERROR_RECORD",
    "RUN_RECORD",
    "TASK_RECORD",
    "UNKNOWN",
    "VARIABLES",
    "Binding",
    "Computed",
    "Entries",
    "Expression",
    "Inference",
    "Items",
    "Literal",
    "Reference",
    "Scope",
    "Text",
    "Types",
    "compile_binding",
    "compile_expression",
    "compile_partly",
    "evaluate",
    "expressions",
    "part_of",
    "schema_of",
    "schema_of_binding",
    "static_problems",
    "syntax_of",
    "unknown_at",
    "where",
]
