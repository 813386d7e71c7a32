"""Pages of the interpreter: opening them, counting what they cost, and how long the kernel may run on.

No twin: counted rows are compared with real records, paging cycles with recorded runs of the released executor.
"""

from localbento_kernels.cpu import interpret_numbers as nr
from localbento_kernels.cpu.interpret_state import (
    A_CACHE_OP,
    A_CAPS,
    A_CODE_SLOT,
    A_FLAGS,
    A_MARK_BITS,
    A_MARKS,
    A_POOL,
    A_ROWS,
    A_SCALARS,
    A_SLOT_OF,
    A_SLOT_PAGE,
    A_STORE,
    A_STORE_TABLE,
    A_TABLE,
    A_TIMES,
    A_TOUCH,
    A_TREE,
    A_V2_PAGES,
    get,
    helper,
    put,
)


@helper
def add_rows(m: int, chip: int, count: int) -> None:
    """Count rows of a chip."""
    put(m, A_ROWS, chip, get(m, A_ROWS, chip) + count)


@helper
def mark_path(m: int, page: int, bit: int) -> int:
    """Set a tree flag on a page and on its ancestors that lack it; the number of ancestors that did."""
    put(m, A_TREE, nr.LEAVES + page, get(m, A_TREE, nr.LEAVES + page) | bit)
    node = (nr.LEAVES + page) >> 1
    new = 0
    while node > 0 and not get(m, A_TREE, node) & bit:
        put(m, A_TREE, node, get(m, A_TREE, node) | bit)
        new += 1
        node >>= 1
    return new


@helper
def first_mark(m: int, word: int) -> int:
    """The first index of `marks` with a word address of at least `word`; a sentinel ends them."""
    low, high = 0, get(m, A_SCALARS, nr.S_MARKS)
    while low < high:
        middle = (low + high) >> 1
        if get(m, A_MARKS, middle) < word:
            low = middle + 1
        else:
            high = middle
    return int(low)


@helper
def fill_slot(m: int, page: int, slot: int) -> int:
    """Copy a page from the store into a fresh slot and mark its slow, early and register words."""
    first = slot * nr.PAGE_WORDS
    source = get(m, A_STORE_TABLE, page) * nr.PAGE_WORDS
    if source == 0 and get(m, A_SCALARS, nr.S_RECORDING):
        put(m, A_SCALARS, nr.S_X0, page)
        return nr.X_MISSING_PAGE
    for word in range(nr.PAGE_WORDS):
        put(m, A_POOL, first + word, get(m, A_STORE, source + word) if source else 0)
    put(m, A_SLOT_PAGE, slot, page)
    put(m, A_FLAGS, slot, 0)
    put(m, A_CODE_SLOT, 2 * slot, 0)
    put(m, A_CODE_SLOT, 2 * slot + 1, 0)
    if not get(m, A_SCALARS, nr.S_COUNTING):
        return nr.X_NONE
    mark = nr.T_FIXED if page == nr.REGISTER_PAGE else 0
    for word in range(nr.PAGE_WORDS):
        put(m, A_TOUCH, first + word, mark)
    if get(m, A_SCALARS, nr.S_RECORDING):
        for word in range(nr.PAGE_WORDS):
            put(m, A_TIMES, first + word, 0)
    start = page * nr.PAGE_WORDS
    i = first_mark(m, start)
    while get(m, A_MARKS, i) < start + nr.PAGE_WORDS:
        at = first + get(m, A_MARKS, i) - start
        put(m, A_TOUCH, at, get(m, A_TOUCH, at) | get(m, A_MARK_BITS, i))
        i += 1
    return nr.X_NONE


@helper
def charge_v2(m: int, page: int, write: int) -> None:
    """The paging cycles that the released generation counts for this access."""
    flags = get(m, A_TREE, nr.LEAVES + page)
    cost = 0
    if not flags & nr.TREE_V2:
        cost += nr.V2_PAGE_CYCLES + nr.V2_NODE_CYCLES * mark_path(m, page, nr.TREE_V2)
        listed = get(m, A_SCALARS, nr.S_V2_LISTED)
        put(m, A_V2_PAGES, listed, page)
        put(m, A_SCALARS, nr.S_V2_LISTED, listed + 1)
    if write and not flags & nr.TREE_V2_DIRTY:
        cost += nr.V2_PAGE_CYCLES + nr.V2_NODE_CYCLES * mark_path(m, page, nr.TREE_V2_DIRTY)
    put(m, A_SCALARS, nr.S_V2_PAGING, get(m, A_SCALARS, nr.S_V2_PAGING) + cost)


@helper
def open_page(m: int, page: int, write: int) -> int:
    """Make a page readable (and writable): load it, count its rows, charge V2's paging.

    Returns: the slot, or minus an Exit.  The caller has checked that the mode may access the page and
        must look at the budget again before the next instruction.
    """
    slot = get(m, A_SLOT_OF, page)
    if slot == 0:
        slot = get(m, A_SCALARS, nr.S_SLOTS)
        code = fill_slot(m, page, slot)
        if code:
            return -code
        put(m, A_SCALARS, nr.S_SLOTS, slot + 1)
        put(m, A_SLOT_OF, page, slot)
        nodes = mark_path(m, page, nr.TREE_OWN)
        add_rows(m, nr.C_PAGE, 1)
        add_rows(m, nr.C_PAGE_BLOCK, 32)
        add_rows(m, nr.C_NODE, nodes)
        add_rows(m, nr.C_POSEIDON2, 32 + nodes)
    if write and not get(m, A_TREE, nr.LEAVES + page) & nr.TREE_OWN_DIRTY:
        nodes = mark_path(m, page, nr.TREE_OWN_DIRTY)
        add_rows(m, nr.C_POSEIDON2, 32 + nodes)
    if get(m, A_SCALARS, nr.S_V2_ON):
        charge_v2(m, page, write)
    put(m, A_TABLE, page, slot)
    put(m, A_SCALARS, nr.S_EVENT, 1)
    # Without counting, stores to pages with code must come by here each time.
    if write and not get(m, A_FLAGS, slot) & nr.F_CODE:
        put(m, A_FLAGS, slot, get(m, A_FLAGS, slot) | nr.F_WRITABLE)
    return int(slot)


@helper
def v2_restart(m: int) -> None:
    """Begin a V2 segment: forget what was loaded, then resume loads and dirties the register page."""
    for i in range(get(m, A_SCALARS, nr.S_V2_LISTED)):
        node = nr.LEAVES + get(m, A_V2_PAGES, i)
        while node > 0 and get(m, A_TREE, node) & (nr.TREE_V2 | nr.TREE_V2_DIRTY):
            put(m, A_TREE, node, get(m, A_TREE, node) & (nr.TREE_OWN | nr.TREE_OWN_DIRTY))
            node >>= 1
    put(m, A_SCALARS, nr.S_V2_LISTED, 0)
    put(m, A_SCALARS, nr.S_V2_START, get(m, A_SCALARS, nr.S_USER))
    put(m, A_SCALARS, nr.S_V2_PAGING, 10)
    for slot in range(1, get(m, A_SCALARS, nr.S_SLOTS)):
        put(m, A_TABLE, get(m, A_SLOT_PAGE, slot), 0)
        put(m, A_FLAGS, slot, get(m, A_FLAGS, slot) & ~nr.F_WRITABLE)
    open_page(m, nr.REGISTER_PAGE, 1)


@helper
def reset_segment(m: int) -> None:
    """Forget the pages, rows and caches of a segment; afterwards nothing is in the pool."""
    for slot in range(1, get(m, A_SCALARS, nr.S_SLOTS)):
        page = get(m, A_SLOT_PAGE, slot)
        put(m, A_TABLE, page, 0)
        put(m, A_SLOT_OF, page, 0)
        node = nr.LEAVES + page
        while node > 0 and get(m, A_TREE, node) & (nr.TREE_OWN | nr.TREE_OWN_DIRTY):
            put(m, A_TREE, node, get(m, A_TREE, node) & (nr.TREE_V2 | nr.TREE_V2_DIRTY))
            node >>= 1
    put(m, A_SCALARS, nr.S_SLOTS, 1)
    put(m, A_SCALARS, nr.S_CODE_SLOTS, 1)
    for i in range(nr.TABLES):
        put(m, A_ROWS, i, 0)
    for i in range(nr.CACHE_ENTRIES if get(m, A_SCALARS, nr.S_COUNTING) else 0):
        put(m, A_CACHE_OP, i, 0)


@helper
def room(m: int, chip: int, needed: int) -> int:
    """Rows of a chip that are left when `needed` are set aside."""
    return int(get(m, A_CAPS, chip) - get(m, A_ROWS, chip) - needed)


@helper
def pages_fit(m: int, reads: int, writes: int) -> bool:
    """Whether so many pages, all new and with paths of their own, still fit."""
    pages = reads + writes
    return (
        room(m, nr.C_PAGE, pages) >= 0
        and room(m, nr.C_PAGE_BLOCK, 32 * pages) >= 0
        and room(m, nr.C_NODE, 22 * pages) >= 0
        and room(m, nr.C_POSEIDON2, 54 * (pages + writes)) >= 0
    )


@helper
def settle(m: int, fuel: int) -> None:
    """Bring USER and INSTRUCTIONS up to date with what was executed since the last look at the budget."""
    executed = get(m, A_SCALARS, nr.S_QUANTUM) - fuel
    put(m, A_SCALARS, nr.S_USER, get(m, A_SCALARS, nr.S_USER) + executed)
    put(m, A_SCALARS, nr.S_INSTRUCTIONS, get(m, A_SCALARS, nr.S_INSTRUCTIONS) + executed)
    put(m, A_SCALARS, nr.S_QUANTUM, 0)


@helper
def shorten(m: int, fuel: int, rest: int) -> int:
    """The fuel after something happened that the budget must know: `rest`, or what was left if that is less.

    1 before an instruction, which is executed all the same; 0 after it.
    """
    put(m, A_SCALARS, nr.S_EVENT, 0)
    rest = min(fuel, rest)
    put(m, A_SCALARS, nr.S_QUANTUM, get(m, A_SCALARS, nr.S_QUANTUM) - fuel + rest)
    return int(rest)


@helper
def own_budget(m: int) -> int:
    """Instructions that surely fit into the segment; 0: the next one might not.

    The next instruction may open two pages and dirty them with full paths, and take a row in each chip; what
    the end of the segment takes (terminate and close: two system rows, 13 accesses) stays free.
    """
    if not pages_fit(m, 0, 2):
        return 0
    n = room(m, nr.C_CYCLES, 2)
    n = min(n, room(m, nr.C_SYSTEM, 2))
    n = min(n, room(m, nr.C_ACCESS, 13) // 2)
    for chip in range(nr.C_SYSTEM):
        n = min(n, room(m, chip, 0))
    for chip in range(nr.C_BITWISE, nr.C_SLOW_FETCH + 1):
        n = min(n, room(m, chip, 0))
    return int(max(n, 0))


@helper
def budget(m: int) -> int:
    """How many instructions may run before the next look; minus an Exit if none may.

    `settle` was called before.
    """
    n = get(m, A_SCALARS, nr.S_USER_LIMIT) - get(m, A_SCALARS, nr.S_USER)
    if n <= 0:
        return -nr.X_USER_LIMIT
    # An instruction opens at most two pages, a call at most eight.
    if get(m, A_SCALARS, nr.S_SLOTS) + 16 > get(m, A_SCALARS, nr.S_SLOT_CAP):
        return -nr.X_GROW
    if get(m, A_SCALARS, nr.S_CODE_SLOTS) + 2 > get(m, A_SCALARS, nr.S_CODE_CAP):
        return -nr.X_GROW
    if get(m, A_SCALARS, nr.S_RECORDING):
        left = get(m, A_SCALARS, nr.S_END_CYCLE) - get(m, A_SCALARS, nr.S_CYCLE)
        if left <= 0:
            return -nr.X_END
        n = min(n, left)
    elif get(m, A_SCALARS, nr.S_COUNTING):
        if get(m, A_SCALARS, nr.S_V2_ON):
            spent = get(m, A_SCALARS, nr.S_USER) - get(m, A_SCALARS, nr.S_V2_START) + get(m, A_SCALARS, nr.S_V2_PAGING)
            left = get(m, A_SCALARS, nr.S_V2_LIMIT) - spent
            if left < 0:
                return -nr.X_V2_SPLIT
            n = min(n, left + 1)
        if not get(m, A_SCALARS, nr.S_COMPAT):
            put(m, A_ROWS, nr.C_CYCLES, get(m, A_SCALARS, nr.S_CYCLE))
            own = own_budget(m)
            if own == 0:
                return -nr.X_CUT
            n = min(n, own)
    put(m, A_SCALARS, nr.S_QUANTUM, n)
    put(m, A_SCALARS, nr.S_EVENT, 0)
    return int(n)
