//! `cargo xtask dependencies`: the licences of all dependencies, and crates in two versions, as
//! `deny.toml` allows them; and the Rust that they need, which is not newer than ours. That file is
//! one of cargo-deny's, which need not be installed.

mod licences;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

use canic_artifacts::workspace;
use serde::Deserialize;

use self::licences::is_allowed;

/// The oldest Rust that compiles this workspace: `rust-version`, which all of its packages have.
const OLDEST_RUST: &str = env!("CARGO_PKG_RUST_VERSION");

#[derive(Deserialize)]
struct Rules {
    graph: Graph,
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Skip>,
}

/// A version of a crate that may be there beside another one.
#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

/// The part of `cargo metadata` that is read.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    /// The oldest Rust that compiles it, if it says so.
    rust_version: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
}

/// Checks the dependencies of all packages of the workspace, those of tests included.
///
/// # Errors
/// Cargo can't be run, `deny.toml` can't be read, or a rule of it is broken.
pub(crate) fn check() -> Result<(), String> {
    let path = workspace().join("deny.toml");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let rules: Rules = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let packages = packages(&rules.graph.targets)?;
    let mut problems = problems(&rules, &packages);
    problems.extend(
        packages
            .iter()
            .filter_map(|package| newer_rust(package, OLDEST_RUST)),
    );
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => Err(format!("{count} rules of deny.toml are broken")),
    }
}

/// All packages that some target needs.
fn packages(targets: &[String]) -> Result<Vec<Package>, String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace())
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
        ])
        .args(
            targets
                .iter()
                .flat_map(|target| ["--filter-platform", target]),
        )
        .output()
        .map_err(|e| format!("cargo can't be run: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let used: BTreeSet<String> = metadata.resolve.nodes.into_iter().map(|n| n.id).collect();
    let packages = metadata.packages.into_iter();
    Ok(packages
        .filter(|package| used.contains(&package.id))
        .collect())
}

fn problems(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        let Package {
            name,
            version,
            license,
            ..
        } = package;
        match license {
            None => problems.push(format!("{name} {version} names no licence")),
            Some(terms) if !is_allowed(terms, &rules.licenses.allow) => {
                problems.push(format!("{name} {version} has the licence {terms}"));
            }
            Some(_) => {}
        }
    }
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(&package.name)
            .or_default()
            .insert(&package.version);
    }
    let mut skipped: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Skip { package, reason } in &rules.bans.skip {
        let (name, version) = package.split_once('@').unwrap_or((package, ""));
        skipped.entry(name).or_default().insert(version);
        if reason.trim().is_empty() {
            problems.push(format!("deny.toml does not say why it skips {package}"));
        }
        if versions
            .get(name)
            .is_none_or(|all| all.len() < 2 || !all.contains(version))
        {
            problems.push(format!(
                "deny.toml skips {package}, which is no duplicate any more"
            ));
        }
    }
    for (name, all) in versions {
        let allowed = skipped
            .get(name)
            .map_or(0, |skipped| skipped.intersection(&all).count());
        if all.len() - allowed > 1 {
            let all: Vec<&str> = all.into_iter().collect();
            problems.push(format!(
                "there are several versions of {name}: {}",
                all.join(", ")
            ));
        }
    }
    problems
}

/// Tells of a package that needs a newer Rust than `oldest`.
fn newer_rust(package: &Package, oldest: &str) -> Option<String> {
    let needed = package.rust_version.as_deref()?;
    let number = |version: &str| -> Vec<u64> {
        let parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        let mut parts: Vec<u64> = parts.collect();
        parts.resize(3, 0);
        parts
    };
    let Package { name, version, .. } = package;
    (number(needed) > number(oldest)).then(|| {
        format!("{name} {version} needs Rust {needed}; `rust-version` of the workspace is {oldest}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(skip: &[(&str, &str)], packages: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        let skip = skip.iter().map(|(package, reason)| Skip {
            package: (*package).to_owned(),
            reason: (*reason).to_owned(),
        });
        let rules = Rules {
            graph: Graph {
                targets: Vec::new(),
            },
            licenses: Licences {
                allow: ["MIT".to_owned()].into(),
            },
            bans: Bans {
                skip: skip.collect(),
            },
        };
        let packages = packages.iter().map(|(name, version, license)| Package {
            id: format!("{name}@{version}"),
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            license: license.map(str::to_owned),
            rust_version: None,
        });
        problems(&rules, &packages.collect::<Vec<_>>())
    }

    #[test]
    fn a_second_version_of_a_crate_is_found_unless_it_is_skipped() {
        let two = [("a", "1.0.0", Some("MIT")), ("a", "2.0.0", Some("MIT"))];
        assert_eq!(
            found(&[], &two),
            ["there are several versions of a: 1.0.0, 2.0.0"]
        );
        assert_eq!(found(&[("a@1.0.0", "b wants it")], &two), [""; 0]);
        let three = [two[0], two[1], ("a", "3.0.0", Some("MIT"))];
        assert_eq!(found(&[("a@1.0.0", "b wants it")], &three).len(), 1);
    }

    #[test]
    fn an_exception_needs_a_reason_and_a_duplicate() {
        let two = [("a", "1.0.0", Some("MIT")), ("a", "2.0.0", Some("MIT"))];
        assert_eq!(
            found(&[("a@1.0.0", " ")], &two),
            ["deny.toml does not say why it skips a@1.0.0"]
        );
        for stale in ["a@3.0.0", "b@1.0.0", "a"] {
            let found = found(&[("a@1.0.0", "b wants it"), (stale, "once")], &two);
            let expected = format!("deny.toml skips {stale}, which is no duplicate any more");
            assert_eq!(found, [expected]);
        }
        let one = [("a", "1.0.0", Some("MIT"))];
        assert_eq!(found(&[("a@1.0.0", "b wants it")], &one).len(), 1);
    }

    #[test]
    fn other_licences_and_missing_ones_are_found() {
        let packages = [("a", "1.0.0", None), ("b", "1.0.0", Some("GPL-3.0"))];
        assert_eq!(
            found(&[], &packages),
            [
                "a 1.0.0 names no licence",
                "b 1.0.0 has the licence GPL-3.0"
            ]
        );
    }

    #[test]
    fn a_package_that_needs_a_newer_rust_is_found() {
        let needs = |version: Option<&str>| {
            let package = Package {
                id: String::new(),
                name: "a".to_owned(),
                version: "1.0.0".to_owned(),
                license: None,
                rust_version: version.map(str::to_owned),
            };
            newer_rust(&package, "1.95").is_some()
        };
        assert!(!needs(None));
        for (version, newer) in [
            ("1.95.0", false),
            ("1.9", false),
            ("1.95.1", true),
            ("1.100", true),
        ] {
            assert_eq!(needs(Some(version)), newer, "{version}");
        }
    }
}
