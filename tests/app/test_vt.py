"""The guest's terminal: what programs write becomes a screen, at every time the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.state.state import Output, append_output, resize_output
from app.vt.replay import KEPT, Replay
from app.vt.screen import BRACKETED_PASTE, CURSOR_KEYS, Screen

PIECES = (
    *(b"a line\r\n", b"word ", "grüße 語\r\n".encode(), b"\t", b"\b", b"\r", b"\n", b"\x1b[H", b"\x1b[2J"),
    *(b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b7", b"\x1b8", b"\x1b[5;3r", b"\x1b[2;9r", b"\x1b[r", b"\x1bM"),
    *(b"\x1b[31;1m", b"\x1b[48;5;200m", b"\x1b[38:2::1:2:3m", b"\x1b[K", b"\x1b[1J", b"\x1b[3S", b"\x1b[2T"),
    *(
        b"\x1b[9999b",
        b"\x1b[2;4;6;8A",
        b"\x1b[?6h",
        b"\x1b[d",
        b"\x1b[>c",
        b"\x1b[6n",
        b"\x1b]0;title\x07",
        b"\x1b(0qq\x1b(B",
    ),
    *(b"\x1b[?3h", b"\x1b[?5h", b"\x1b[?5l", b"\x1b[4h", b"\x1b[!p", b"\x1bc", b"\x1b#8", b"\x1b[", b"\x1b"),
)

PARTS = st.one_of(
    st.sampled_from(PIECES), st.binary(max_size=40), st.tuples(st.integers(0, 70), st.integers(0, 70))
)


def shown(data: bytes, columns: int = 20, lines: int = 6) -> Screen:
    output = Output()
    resize_output(output, lines, columns)
    append_output(output, data)
    return Replay().follow(output)


def text(screen: Screen) -> list[str]:
    return [line.rstrip() for line in screen.display]


def test_the_alternate_screen_comes_and_goes() -> None:
    before = b"$ less x\r\n"
    full = before + b"\x1b[?1049h\x1b[H\x1b[2Jall of it\x1b[6;1H:"
    assert text(shown(full)) == ["all of it", "", "", "", "", ":"]
    assert shown(full).alternate
    after = shown(full + b"\x1b[?1049l$ ")
    assert text(after) == ["$ less x", "$", "", "", "", ""]
    assert (after.cursor.x, after.cursor.y) == (2, 1)


def test_modes_that_change_what_keys_send() -> None:
    assert {CURSOR_KEYS, BRACKETED_PASTE} <= shown(b"\x1b[?1h\x1b[?2004h").mode
    assert not {CURSOR_KEYS, BRACKETED_PASTE} & shown(b"\x1b[?1;2004h\x1b[?1l\x1b[?2004l").mode


def test_questions_are_answered() -> None:
    asked = {
        b"\x1b[6n": b"\x1b[2;4R",
        b"\x1b[?6n": b"\x1b[?2;4R",
        b"\x1b[5n": b"\x1b[0n",
        b"\x1b[18t": b"\x1b[8;6;20t",
    }
    asked |= {
        b"\x1b[c": b"\x1b[?1;2c",
        b"\x1bZ": b"\x1b[?1;2c",
        b"\x1b[>0c": b"\x1b[>0;10;0c",
        b"\x1b[?5n": b"",
    }
    for question, answer in asked.items():
        assert shown(b"a\r\nabc" + question).answer == answer
    assert shown(b"x" * 20 + b"\x1b[6n").answer == b"\x1b[1;20R"
    assert shown(b"\x1b[3;5r\x1b[?6h\x1b[2;2H\x1b[6n").answer == b"\x1b[2;2R"


def test_scrolling_regions_drawing_and_colours() -> None:
    lines = b"".join(b"%d\r\n" % n for n in range(5)) + b"5"
    assert text(shown(lines + b"\x1b[2;5r\x1b[5;1H\n")) == ["0", "2", "3", "4", "", "5"]
    assert text(shown(lines + b"\x1b[2;5r\x1b[2;1H\x1bM")) == ["0", "", "1", "2", "3", "5"]
    assert text(shown(b"a line\r\n\x1b[3S"))[0] == ""
    assert text(shown(b"\x1b(0lqk\x1b(B ok"))[0] == "┌─┐ ok"
    assert text(shown(b"-\x1b[4b"))[0] == "-----"
    cell = shown(b"\x1b[44m\x1b[2J").buffer[3][7]
    assert (cell.data, cell.bg) == (" ", "blue")
    assert shown(b"\x1b[38;2;1;2;255mx").buffer[0][0].fg == "0102ff"


def test_a_smaller_window_keeps_the_cursor_in_sight() -> None:
    output = Output()
    resize_output(output, 6, 20)
    append_output(output, b"\r\n".join(b"%d" % n for n in range(6)))
    replay = Replay()
    replay.follow(output)
    resize_output(output, 3, 10)
    assert text(replay.follow(output)) == ["3", "4", "5"]
    del output.sizes[-1]
    assert text(replay.follow(output)) == ["0", "1", "2", "3", "4", "5"]


@given(
    st.lists(
        PARTS,
        max_size=30,
    ),
    st.lists(st.integers(0, 30), max_size=6),
)
def test_any_bytes_make_a_screen_and_any_way_to_a_moment_the_same(
    parts: list[bytes | tuple[int, int]], stops: list[int]
) -> None:
    def until(count: int) -> Output:
        output = Output()
        for part in parts[:count]:
            if isinstance(part, bytes):
                append_output(output, part)
            else:
                resize_output(output, *part)
        return output

    replay = Replay()
    for stop in stops:
        output = until(stop)
        screen, fresh = replay.follow(output), Replay().follow(output)
        assert screen.display == fresh.display
        assert (screen.cursor.x, screen.cursor.y, screen.mode) == (fresh.cursor.x, fresh.cursor.y, fresh.mode)


def test_half_a_wide_character_is_blank() -> None:
    for data, line in (
        (b"\xe8\xaa\x9eab\r ", "  ab"),
        (b"\xe8\xaa\x9eab\x1b[1;2Hx", " xab"),
        (b"\xe8\xaa\x9eab", "\u8a9eab"),
    ):
        output = Output()
        append_output(output, data)
        assert Replay().follow(output).display[0].rstrip() == line.rstrip()


def test_long_output_goes_back_by_pictures() -> None:
    data = b"".join(b"\x1b[3%dmline %d\r\n" % (n % 8, n) for n in range(3000))
    replay = Replay()
    for total in (len(data), 20_000, 9_000, KEPT, 100, 0, 15_001, len(data)):
        part = Output(bytearray(data[:total]), total)
        assert replay.follow(part).display == Replay().follow(part).display
