//! Comma-separated lists in the parameters of commands.

/// Whether a list has no items.
pub fn is_empty_list(list: &str) -> bool {
    list.bytes().all(|byte| byte == b',')
}

/// Returns the items of a list, each once.
pub fn split_list(list: &str) -> Vec<&str> {
    let mut items: Vec<&str> = Vec::new();
    for item in list.split(',').filter(|item| !item.is_empty()) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}
