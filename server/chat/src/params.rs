//! Parameters that are lists with commas.

/// Whether a list with commas has no items.
pub fn is_empty_list(list: &str) -> bool {
    list.bytes().all(|byte| byte == b',')
}

/// The items of a list with commas, each once.
pub fn split_list(list: &str) -> Vec<&str> {
    let mut items: Vec<&str> = Vec::new();
    for item in list.split(',').filter(|item| !item.is_empty()) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}
