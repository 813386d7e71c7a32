from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, record
from localbento.air.describe import Writer, cells_per_row, describe

SUMS = Bus("sums", 2, ("a", "b"), BusKind.EXCHANGE)


class Sample(Chip):
    is_real: Bit
    x: Felt
    y: Felt

    def constrain(self, c):
        c.equal("product", self.x * (self.y - 3) - 7, self.x + self.y)
        c.push(SUMS, (self.x, 5), self.is_real)


def test_equations_are_written_as_on_a_board():
    chip = record(Sample)
    assert Writer(chip)(chip.constraints[1].node) == "x·(y - 3) - 7 - (x + y)"
    assert Writer(chip)(chip.constraints[0].node) == "is_real·(is_real - 1)"


def test_the_page_lists_columns_labels_and_traffic():
    page = describe(record(Sample))
    assert "3 main columns, 0 preprocessed, 2 constraints, 1 messages in 1 helper columns: 8 cells a row." in page
    assert "| product | 2 |" in page
    assert "`push sums(x, 5)`" in page
    assert cells_per_row(record(Sample), 4) == 8
