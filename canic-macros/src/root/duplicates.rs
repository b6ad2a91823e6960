//! The rule that a list names nothing twice.

use crate::diag::Errors;

/// Reports each item that an earlier one names already.
pub(super) fn no_duplicates<T: quote::ToTokens>(
    items: &[T],
    subject: &str,
    text: impl Fn(&T) -> String,
    errors: &mut Errors,
) {
    for (index, item) in items.iter().enumerate() {
        let name = text(item);
        if let Some(earlier) = items[..index].iter().find(|other| text(other) == name) {
            errors.report_conflict(
                (
                    item,
                    format!("the {subject} `{name}` is named twice; keep one"),
                ),
                (earlier, format!("`{name}` is first named here")),
            );
        }
    }
}
