//! The README's program is the example that can be run.

#[test]
fn the_program_in_the_readme_is_the_example_find_service() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```rust,no_run\n").unwrap();
    let (program, _) = rest.split_once("```\n").unwrap();
    assert_eq!(program, include_str!("../examples/find_service.rs"));
}
