//! The files of `canic new`: a fleet of root and worker, a test, and what `icp` deploys.

/// The files by their paths. `FLEET` stands for the fleet's name, `FLEETCRATE` for the name as Rust
/// writes it, `CANIC` for the path of canic's checkout from the fleet's folder.
const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("template/workspace.toml")),
    (".gitignore", "target/\n.icp/\n"),
    ("icp.yaml", include_str!("template/icp.yaml")),
    (
        "types/Cargo.toml",
        include_str!("template/types/manifest.toml"),
    ),
    (
        "types/src/lib.rs",
        include_str!("template/types/lib.rs.txt"),
    ),
    (
        "root/Cargo.toml",
        include_str!("template/root/manifest.toml"),
    ),
    ("root/src/lib.rs", include_str!("template/root/lib.rs.txt")),
    (
        "worker/Cargo.toml",
        include_str!("template/worker/manifest.toml"),
    ),
    (
        "worker/src/lib.rs",
        include_str!("template/worker/lib.rs.txt"),
    ),
    ("README.md", include_str!("template/readme.md")),
];

/// The files of the test.
const TEST: [(&str, &str); 2] = [
    (
        "tests/Cargo.toml",
        include_str!("template/tests/manifest.toml"),
    ),
    (
        "tests/tests/fleet.rs",
        include_str!("template/tests/fleet.rs.txt"),
    ),
];

/// The files of a fleet with a name, which depends on canic in a folder.
pub(crate) fn files(name: &str, canic: &str) -> Vec<(&'static str, String)> {
    let files = FILES.iter().chain(&TEST);
    let module = name.replace('-', "_");
    let fill = |text: &str| {
        let text = text.replace("FLEETCRATE", &module).replace("FLEET", name);
        text.replace("CANIC", canic)
    };
    files.map(|(path, text)| (*path, fill(text))).collect()
}

/// Whether a fleet may have this name: a package of cargo, too.
pub(crate) fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= 40
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        for (path, text) in files("garden", "../canic") {
            assert!(!text.contains("FLEET") && !text.contains("CANIC"), "{path}");
            assert!(text.ends_with('\n'), "{path}");
            assert!(
                text.lines().all(|line| line.chars().count() <= 100),
                "{path}"
            );
        }
    }

    #[test]
    fn names_are_those_of_packages() {
        assert!(is_name("garden-2"));
        for wrong in ["", "Garden", "2garden", "a b", "../up", "gärten", "-a"] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
