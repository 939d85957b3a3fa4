"""Runs pgspot, and teaches it functions with an SQL-standard body (`return …`, `begin atomic …`).

pgspot 0.9.4 stops at them, because it expects every body to be a string. The names in such a body are bound
when the function is created. So it is visited like the rest of the script, under the script's search_path,
and needs no search_path of its own.
"""

from pglast.ast import DefElem, String
from pgspot import cli
from pgspot.formatters import format_function
from pgspot.visitors import SQLVisitor

visit_function_with_text_body = SQLVisitor.visit_CreateFunctionStmt


def visit_function(self, ancestors, node):
    if node.sql_body is not None:
        self.state.args.proc_without_search_path.append(format_function(node))
        options = list(node.options or ())
        if not any(option.defname == "language" for option in options):
            options.append(DefElem(defname="language", arg=String(sval="sql")))
        options.append(DefElem(defname="as", arg=(String(sval="select"),)))
        node.options = tuple(options)
    return visit_function_with_text_body(self, ancestors, node)


SQLVisitor.visit_CreateFunctionStmt = visit_function
cli.run()
