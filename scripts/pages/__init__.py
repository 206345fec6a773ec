"""The generated pages of docs/, each made from the code that it is about."""
