"""The journal: changes to users' files, written down before they are made, so that undo works.

A command that changes files goes through :mod:`clipcli.workflows.journal.changes`::

    with begun_changes("tag", roots) as changes:  # roots: the folders that all changes lie under
        changes.rewrite(path, content, state)  # new bytes; the old ones are kept for undo
        changes.move(source, target, state)  # False where the name is taken
        changes.hardlink(path, kept, state, kept_state)  # a copy becomes a link
        changes.trash(source, target, note, state)  # a move with a note beside it

``state`` is what ``filestate.look(path)`` said when it was decided what to do with the file (None
for ``rewrite``: there is no file yet). ``RefusedError`` says why one file stays as it is, and the
run goes on; ``OutputError`` ends it. Then ``clipcli undo`` takes all of it back.

``sort`` and ``watch`` plan for thousands of files from one folder to another and write their steps
themselves (:mod:`clipcli.workflows.sorting.execute`), to the same journals.
"""
