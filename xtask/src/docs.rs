//! `cargo xtask docs`: the guide as a book, and the documentation of the crates.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use canic_artifacts as artifacts;

/// The version of mdBook that is installed where there is none.
const MDBOOK: &str = "0.5.4";

/// The book, from the workspace.
const BOOK: &str = "target/book";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Builds the book alone, without the documentation of the crates
    #[arg(long)]
    book: bool,
}

/// Builds the book and the documentation, and says where they are.
///
/// # Errors
/// When mdBook can't be installed, or a build fails; its messages are on stderr.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    let book = artifacts::workspace().join(BOOK);
    run_in_workspace(mdbook()?.arg("build").arg("docs"))?;
    lead_out(&book)?;
    println!("book   {}", book.join("index.html").display());
    if args.book {
        return Ok(());
    }
    let mut doc = cargo();
    doc.args(["doc", "--no-deps"]);
    for name in libraries()? {
        doc.args(["--package", &name]);
    }
    run_in_workspace(&mut doc)?;
    let page = artifacts::workspace().join("target/doc/canic/index.html");
    println!("crates {}", page.display());
    Ok(())
}

/// mdBook: the one on the path, or the one in `target/tools`, which is installed if it is missing.
fn mdbook() -> Result<Command, String> {
    let tools = artifacts::workspace().join("target/tools");
    let installed = tools.join("bin/mdbook");
    let programs = [PathBuf::from("mdbook"), installed.clone()];
    if let Some(program) = programs.into_iter().find(|program| runs(program)) {
        return Ok(Command::new(program));
    }
    println!(
        "mdbook is missing: {MDBOOK} is installed into {}",
        tools.display()
    );
    let mut install = cargo();
    install.args([
        "install",
        "mdbook",
        "--version",
        MDBOOK,
        "--locked",
        "--no-default-features",
    ]);
    // A folder of its own, so that the workspace's profiles and lock play no part.
    install
        .arg("--root")
        .arg(&tools)
        .arg("--target-dir")
        .arg(tools.join("target"));
    run_in_workspace(&mut install)?;
    fs::remove_dir_all(tools.join("target")).map_err(|e| format!("{}: {e}", tools.display()))?;
    Ok(Command::new(installed))
}

fn runs(program: &Path) -> bool {
    let mut version = Command::new(program);
    let version = version
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// The packages with a library for authors: the facade, and the folders `canic-*` that have one.
fn libraries() -> Result<Vec<String>, String> {
    let mut names = vec!["canic".to_string()];
    let entries =
        fs::read_dir(artifacts::workspace()).map_err(|e| format!("the workspace: {e}"))?;
    for entry in entries {
        let entry = entry.map_err(|e| format!("the workspace: {e}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("canic-") && entry.path().join("src/lib.rs").exists() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Mends the links that lead out of the book, to files of the workspace: `docs` is one folder below
/// it, the book two.
fn lead_out(book: &Path) -> Result<(), String> {
    let failed = |e| format!("{}: {e}", book.display());
    for entry in fs::read_dir(book).map_err(failed)? {
        let page = entry.map_err(failed)?.path();
        if page.extension().is_some_and(|end| end == "html") {
            let text = fs::read_to_string(&page).map_err(failed)?;
            fs::write(&page, leading_out(&text)).map_err(failed)?;
        }
    }
    Ok(())
}

fn leading_out(page: &str) -> String {
    page.replace("href=\"../", "href=\"../../")
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn run_in_workspace(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.current_dir(artifacts::workspace()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{program} failed; its message is above")),
        Err(e) => Err(format!("{program} can't be run: {e}")),
    }
}

#[test]
fn links_out_of_the_book_go_one_folder_further() {
    let page = r##"<a href="../src/lib.rs">, <a href="roles.html">, <a href="#a">"##;
    let mended = r##"<a href="../../src/lib.rs">, <a href="roles.html">, <a href="#a">"##;
    assert_eq!(leading_out(page), mended);
}

#[test]
fn libraries_are_those_of_authors() {
    let names = libraries().expect("the workspace can be read");
    for name in ["canic", "canic-macros", "canic-replica", "canic-runtime"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    assert!(!names.iter().any(|name| name == "canic-cli"), "{names:?}");
}
