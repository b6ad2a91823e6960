//! Pages of lists.

use crate::api::{MAX_PAGE, PageRequest};

/// The number of rows of a page. At least one, so that a caller who asks for page after page gets
/// to the end.
pub(crate) fn rows(limit: u32) -> usize {
    limit.clamp(1, MAX_PAGE) as usize
}

/// Takes a page from an iterator of rows. Answers the rows and the next page's cursor, the index of
/// the last row.
pub(crate) fn page<T>(
    rows: impl Iterator<Item = T>,
    request: PageRequest,
) -> (Vec<T>, Option<u64>) {
    let start = request.after.map_or(0, |after| after.saturating_add(1));
    let limit = self::rows(request.limit);
    let mut rows = rows.skip(usize::try_from(start).unwrap_or(usize::MAX));
    let page: Vec<T> = rows.by_ref().take(limit).collect();
    let more = rows.next().is_some();
    let last = start + page.len() as u64;
    (page, more.then(|| last - 1))
}
