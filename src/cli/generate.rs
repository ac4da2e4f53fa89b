//! `remora completions` and `remora man`: what shells and readers are told of the commands, out of their definition.

use std::{fs, io, path::PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use super::{error::Error, terminal::Output};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder for one page per command; none prints the first page
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "remora", &mut script);
    Output::new().bytes(&script)
}

pub(crate) fn man(args: &ManArgs, command: Command) -> Result<(), Error> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|source| Error::io("no page was made", source))?;
        return Output::new().bytes(&page);
    };
    let failed = |source: io::Error| Error::io(format!("{} cannot be written", folder.display()), source);
    fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command.disable_help_subcommand(true), folder).map_err(failed)
}
