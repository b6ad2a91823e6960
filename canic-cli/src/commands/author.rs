//! `canic new` and `build`: an author's fleet before it is deployed.

use std::{env, fs, path::PathBuf};

use serde::Serialize;

use crate::{
    failure::{Failure, Kind},
    output::{Out, Style, Text, Tone, format, table::Table},
    project::{
        build::{self, Built},
        cargo::{self, Workspace},
        template,
    },
};

#[derive(clap::Args)]
pub(crate) struct NewArgs {
    /// The fleet's name, which is that of its folder
    name: String,
    /// The checkout of canic, from the fleet's folder
    #[arg(long, default_value = "../canic", value_name = "FOLDER")]
    canic: PathBuf,
}

/// A fleet that was made.
#[derive(Debug, Serialize)]
struct NewReport {
    name: String,
    /// The files, from the fleet's folder.
    files: Vec<&'static str>,
}

pub(crate) fn new(args: &NewArgs, out: &Out) -> Result<(), Failure> {
    if !template::is_name(&args.name) {
        let what = format!("`{}` is no name of a fleet", args.name);
        return Err(Failure::new(Kind::Usage, what)
            .with_advice("Use lower-case letters, digits and `-`; a letter comes first."));
    }
    let folder = PathBuf::from(&args.name);
    if folder.exists() {
        return Err(
            Failure::setup(format!("`{}` is there already", args.name)).with_advice(
                "Choose another name, or make it in another folder: `canic new` replaces nothing.",
            ),
        );
    }
    let canic = args.canic.to_str().ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            "the path of canic has characters that are no text",
        )
    })?;
    // A path in a manifest of a package is relative to the package, one level below the fleet.
    let canic = match args.canic.is_absolute() {
        true => canic.to_string(),
        false => format!("../{canic}"),
    };
    let mut files = Vec::new();
    for (path, text) in template::files(&args.name, &canic) {
        let file = folder.join(path);
        let failed = |e: std::io::Error| Failure::setup(format!("{}: {e}", file.display()));
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&file, text).map_err(failed)?;
        files.push(path);
    }
    out.report(&NewReport {
        name: args.name.clone(),
        files,
    })
}

impl Text for NewReport {
    fn text(&self, _style: &Style) -> String {
        let mut text = String::new();
        for file in &self.files {
            text += &format!("{}/{file}\n", self.name);
        }
        text + &format!("next: cd {} && canic check && canic build\n", self.name)
    }
}

#[derive(clap::Args)]
pub(crate) struct BuildArgs {
    /// The profile of cargo; `canister` if the workspace has it, otherwise `release`
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
}

/// The modules of a fleet, in the order in which they were built.
#[derive(Debug, Serialize)]
struct BuildReport {
    modules: Vec<Built>,
}

pub(crate) fn build(args: &BuildArgs, out: &Out) -> Result<(), Failure> {
    let workspace = cargo::workspace()?;
    if workspace.canisters.is_empty() {
        return Err(Failure::setup("this workspace has no canister of canic")
            .with_advice("`canic new NAME` makes a fleet."));
    }
    let profile = profile(&workspace, args.profile.as_deref());
    let modules = build::build(&workspace, profile)?;
    out.report(&BuildReport { modules })
}

/// The profile that a workspace builds its canisters with.
pub(crate) fn profile<'a>(workspace: &Workspace, asked: Option<&'a str>) -> &'a str {
    match asked {
        Some(profile) => profile,
        None if workspace.has_profile => "canister",
        None => "release",
    }
}

impl Text for BuildReport {
    fn text(&self, style: &Style) -> String {
        let here = env::current_dir().unwrap_or_default();
        let mut table = Table::new(&[
            "PACKAGE", "ROLE", "#SIZE", "#GZIPPED", "#UPLOAD", "#A DAY", "MODULE",
        ]);
        for built in &self.modules {
            let module = built.module.strip_prefix(&here).unwrap_or(&built.module);
            let cells = [
                built.package.clone(),
                built.role.clone().unwrap_or_else(|| "root".to_string()),
                format::bytes(built.size),
                format::bytes(built.gzipped_size),
                format::cycles(built.upload.0),
                format::cycles(built.per_day.0),
                module.display().to_string(),
            ];
            table.row(Tone::Plain, &cells);
        }
        table.text(style)
            + "upload: cycles of the messages that carry it to root, gzipped; a day: its share in \
               each canister that runs it; on 13 nodes\n"
    }
}
