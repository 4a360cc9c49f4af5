"""The audit log while the disk is full."""

from bonefx_page.store.audit import MAX_UNWRITTEN, Action, AuditMemory


def test_of_too_many_entries_that_wait_the_oldest_are_lost() -> None:
    memory = AuditMemory()
    entries = [(float(n), "anna", Action.SAW_FILM, None) for n in range(MAX_UNWRITTEN + 2)]
    memory.keep(entries[-1:])  # of another thread, while this one tried to write the others
    memory.keep(entries[:-1])
    assert memory.take() == entries[2:]
