//! The blocking half of following a file: which file it is, and where in it.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::{DirEntryExt, FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use remora_actors::model::Limits;

use super::{
    follow::Cursor,
    lines::{Line, Splitter},
    rotated::{self, Newer, identity, written},
};

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of lines in a batch at most, however many lines the caller takes: several followed files share the memory.
const BATCH_BYTES: usize = 4 << 20;
/// A line with the blank lines before it is looked up again up to this size: more would cost more than it tells.
const CHECKED_BYTES: u64 = 1 << 20;

/// How far [`Tail::fill`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// There are lines, and there may be more.
    Batch,
    /// All is read.
    End,
    /// All is read of a file that no longer has the followed name.
    EndElsewhere,
}

/// The file with which a log goes on.
#[derive(Debug)]
struct Successor {
    file: File,
    /// True where the one before was rotated, so that this one repeats nothing of it, however it begins.
    is_new: bool,
    /// What came before it and cannot be read, and why.
    unreadable: Vec<(PathBuf, String)>,
}

impl Successor {
    /// What was rotated away comes before what has the name.
    fn of(newer: Newer, named: Option<File>) -> Option<Self> {
        let Newer { is_rotated: is_new, file, unreadable } = newer;
        file.or(named).map(|file| Self { file, is_new, unreadable })
    }
}

#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    line_bytes: usize,
    /// Lines are read until they have so many bytes.
    batch_bytes: usize,
    file: Option<File>,
    /// Behind the last line of `lines`.
    cursor: Cursor,
    /// Behind the last byte that the splitter has.
    read_offset: u64,
    splitter: Splitter,
    lines: Vec<Line>,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(path: &Path, cursor: Cursor, limits: &Limits) -> Self {
        let line_bytes = limits.event_bytes;
        Self {
            path: path.to_owned(),
            line_bytes,
            // Half: an event is longer than its line.
            batch_bytes: BATCH_BYTES.min(limits.publishing_bytes / 2),
            file: None,
            read_offset: cursor.offset,
            splitter: Splitter::new(cursor.chain, cursor.line, line_bytes),
            cursor,
            lines: Vec::new(),
            bytes: 0,
        }
    }

    /// The lines read since the last call, and the place behind them.
    pub(super) fn take(&mut self) -> (Vec<Line>, Cursor) {
        self.bytes = 0;
        (std::mem::take(&mut self.lines), self.cursor.clone())
    }

    /// Reads lines until there are `max_lines` or no more.
    pub(super) fn fill(&mut self, max_lines: usize) -> io::Result<Filled> {
        loop {
            if self.file.is_none() && !self.find_file()? {
                return Ok(Filled::End);
            }
            self.return_to_place()?;
            // Looked up before the end is read: then the writer had left the old file already.
            let (is_elsewhere, successor) = self.successor()?;
            self.read(max_lines)?;
            if !self.lines.is_empty() {
                return Ok(Filled::Batch);
            }
            match successor {
                Some(Successor { file, is_new: false, .. }) if self.continues(&file)? => self.adopt(file)?,
                Some(successor) => self.move_on(successor)?,
                None if is_elsewhere => return Ok(Filled::EndElsewhere),
                None => return Ok(Filled::End),
            }
        }
    }

    /// Opens the file of the cursor, under its name or another, or else what came after it.
    fn find_file(&mut self) -> io::Result<bool> {
        let named = open(&self.path)?;
        if self.cursor.inode == 0 {
            return named.map(|file| self.start(file)).transpose().map(|started| started.is_some());
        }
        if let Some(file) = self.cursors_file(named.as_ref())? {
            self.file = Some(file);
            return Ok(true);
        }
        match Successor::of(self.newer()?, named) {
            None => return Ok(false),
            Some(Successor { file, .. }) if self.continues(&file)? => self.adopt(file)?,
            Some(successor) => {
                tracing::warn!(file = %self.path.display(), "the log followed before is gone, reading what is newer");
                self.move_on(successor)?;
            }
        }
        Ok(true)
    }

    /// What was rotated away and is not read yet, where the cursor's file is gone.
    fn newer(&self) -> io::Result<Newer> {
        self.cursor.written.map_or_else(|| Ok(Newer::default()), |since| rotated::newer(&self.path, None, since))
    }

    fn cursors_file(&self, named: Option<&File>) -> io::Result<Option<File>> {
        let is_it =
            |file: &File| Ok::<_, io::Error>(file.metadata()?.ino() == self.cursor.inode && self.is_place_of(file)?);
        if let Some(named) = named
            && is_it(named)?
        {
            return named.try_clone().map(Some);
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.ino() != self.cursor.inode {
                continue;
            }
            match open(&entry.path()) {
                Ok(Some(file)) if is_it(&file)? => return Ok(Some(file)),
                // The number was given to something else since.
                Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::PermissionDenied) => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Begins with the first line of a file; the chain goes on.
    fn start(&mut self, file: File) -> io::Result<()> {
        let chain = self.cursor.chain;
        let (inode, written) = (file.metadata()?.ino(), self.cursor.written);
        self.cursor = Cursor { inode, chain, start_chain: chain, line_chain: chain, written, ..Cursor::default() };
        self.file = Some(file);
        self.rewind();
        Ok(())
    }

    /// Goes on in another file where it was in the last one.
    fn adopt(&mut self, file: File) -> io::Result<()> {
        self.cursor.inode = file.metadata()?.ino();
        self.file = Some(file);
        self.rewind();
        Ok(())
    }

    /// True where a file begins with all that was read of the last one. It is read up to there.
    fn continues(&self, file: &File) -> io::Result<bool> {
        let Cursor { offset: end, start_chain, chain, .. } = self.cursor;
        if end == 0 || !self.is_place_of(file)? {
            return Ok(false);
        }
        let (mut splitter, mut chunk, mut offset) =
            (Splitter::new(start_chain, 0, self.line_bytes), vec![0; CHUNK_BYTES], 0);
        while offset < end {
            let most = usize::try_from(end - offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            match file.read_at(&mut chunk[..most], offset) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    splitter.pass_over(&chunk[..read]);
                    offset += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(splitter.chain() == chain)
    }

    /// Forgets the line that has no end yet.
    fn rewind(&mut self) {
        self.read_offset = self.cursor.offset;
        self.splitter = Splitter::new(self.cursor.chain, self.cursor.line, self.line_bytes);
    }

    /// Notices that the file was truncated, also if it has grown again since.
    fn return_to_place(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if !self.is_place_of(file)? {
            let file = file.try_clone()?;
            match self.newer()?.file {
                // A copy was made before, as logrotate's `copytruncate` does it.
                Some(copy) if self.continues(&copy)? => self.adopt(copy)?,
                _ => {
                    tracing::info!(file = %self.path.display(), "a followed log was truncated, reading from its start");
                    self.start(file)?;
                }
            }
        } else if file.metadata()?.len() < self.read_offset {
            self.rewind();
        }
        Ok(())
    }

    /// True where the file still has the cursor's line before the cursor.
    fn is_place_of(&self, file: &File) -> io::Result<bool> {
        let Cursor { offset, line_offset, .. } = self.cursor;
        if file.metadata()?.len() < offset {
            return Ok(false);
        }
        if offset - line_offset > CHECKED_BYTES {
            return Ok(true);
        }
        let mut bytes = vec![0; (offset - line_offset) as usize];
        match file.read_exact_at(&mut bytes, line_offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        let mut splitter = Splitter::new(self.cursor.line_chain, 0, bytes.len());
        splitter.pass_over(&bytes);
        Ok(splitter.chain() == self.cursor.chain)
    }

    /// Whether the open file has lost its name, and the file that came after it, once that has content.
    fn successor(&self) -> io::Result<(bool, Option<Successor>)> {
        let named = open(&self.path)?;
        let Some(own) = self.file.as_ref().map(File::metadata).transpose()? else { return Ok((true, None)) };
        if let Some(named) = &named
            && identity(&named.metadata()?) == identity(&own)
        {
            return Ok((false, None));
        }
        let newer = rotated::newer(&self.path, Some(identity(&own)), written(&own))?;
        let named = named.filter(|named| named.metadata().is_ok_and(|named| named.len() > 0));
        Ok((true, Successor::of(newer, named)))
    }

    /// Leaves a file to which nobody writes any more: what has no end there gets none.
    fn move_on(&mut self, successor: Successor) -> io::Result<()> {
        for (file, why) in successor.unreadable {
            tracing::warn!(file = %file.display(), why, "a part of a followed log cannot be read, going on behind it");
        }
        if let Some(line) = self.splitter.finish() {
            self.add(line);
        }
        self.start(successor.file)
    }

    fn read(&mut self, max_lines: usize) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let Some(file) = &self.file else { return Ok(()) };
            // Before the read: what is written later than that may be unread.
            let written = written(&file.metadata()?);
            let mut bytes = match file.read_at(&mut chunk, self.read_offset) {
                Ok(0) => {
                    self.cursor.written = Some(written);
                    return Ok(());
                }
                Ok(read) => &chunk[..read],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            while !bytes.is_empty() {
                if self.lines.len() >= max_lines.max(1) || self.bytes >= self.batch_bytes {
                    return Ok(());
                }
                let (used, line) = self.splitter.push(bytes);
                bytes = &bytes[used..];
                self.read_offset += used as u64;
                if let Some(line) = line {
                    self.add(line);
                }
            }
        }
    }

    fn add(&mut self, line: Line) {
        self.cursor = Cursor {
            inode: self.cursor.inode,
            offset: self.read_offset,
            line: line.number,
            chain: self.splitter.chain(),
            start_chain: self.cursor.start_chain,
            line_offset: self.cursor.offset,
            line_chain: self.cursor.chain,
            written: self.cursor.written,
        };
        self.bytes += line.text.as_ref().map_or(0, Vec::len);
        self.lines.push(line);
    }
}

/// Opens a regular file, if there is one. Opening a pipe would wait for its writer.
fn open(path: &Path) -> io::Result<Option<File>> {
    let missing = |error: io::Error| if error.kind() == ErrorKind::NotFound { Ok(None) } else { Err(error) };
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
        Ok(_) => File::open(path).map(Some).or_else(missing),
        Err(error) => missing(error),
    }
}
