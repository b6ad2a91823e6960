//! Tables without borders. A row is a line; its tone colours it as a whole.

use comfy_table::{CellAlignment, ContentArrangement, Table as Inner, presets};

use crate::output::{Style, Tone};

/// A table that is being filled.
pub(crate) struct Table {
    inner: Inner,
    tones: Vec<Tone>,
}

impl Table {
    /// A table with these columns. Those whose names begin with `#` are aligned to the right.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut inner = Inner::new();
        inner
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(columns.iter().map(|name| name.trim_start_matches('#')));
        for (index, name) in columns.iter().enumerate() {
            if let Some(column) = inner.column_mut(index) {
                column.set_padding((0, 2));
                if name.starts_with('#') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Self {
            inner,
            tones: Vec::new(),
        }
    }

    /// Adds a row. Line breaks within a cell become spaces.
    pub(crate) fn row(&mut self, tone: Tone, cells: &[String]) {
        let cells = cells.iter().map(|cell| cell.replace(['\n', '\r'], " "));
        self.inner.add_row(cells);
        self.tones.push(tone);
    }

    /// The table as lines.
    pub(crate) fn text(&self, style: &Style) -> String {
        let tones = std::iter::once(Tone::Head).chain(self.tones.iter().copied());
        self.inner
            .lines()
            .zip(tones)
            .map(|(line, tone)| style.paint(tone, line.trim_end()) + "\n")
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        colour: false,
        now: 0,
    };

    #[test]
    fn a_row_is_a_line_in_its_tone() {
        let mut table = Table::new(&["NAME", "#COUNT"]);
        table.row(Tone::Plain, &["a".into(), "1".into()]);
        table.row(Tone::Bad, &["two\nlines".into(), "100".into()]);
        assert_eq!(
            table.text(&PLAIN),
            "NAME       COUNT\na              1\ntwo lines    100\n"
        );
        let coloured = Style {
            colour: true,
            ..PLAIN
        };
        let text = table.text(&coloured);
        assert!(text.contains("\x1b[31mtwo lines    100\x1b[0m"), "{text}");
    }
}
