//! Comma-separated lists in the parameters of commands.

use std::collections::HashSet;

/// Whether a list has no items.
pub fn is_empty_list(list: &str) -> bool {
    list.bytes().all(|byte| byte == b',')
}

/// Returns the items of a list, each once.
pub fn split_list(list: &str) -> Vec<&str> {
    if !list.contains(',') {
        return if list.is_empty() {
            Vec::new()
        } else {
            vec![list]
        };
    }
    let mut seen = HashSet::new();
    let items = list.split(',').filter(|item| !item.is_empty());
    items.filter(|item| seen.insert(*item)).collect()
}
