//! What a file is that could not be executed, or whose loader or shell could not go on.
//!
//! Only its head, its segments and the names in its dynamic section are read; nothing is executed, and no library
//! is looked for.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use causes::{End, Executable, FileKind};
use object::elf::{self, DT_NEEDED, DT_STRSZ, DT_STRTAB};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef, StringTable};

/// How much of a script is read: the kernel looks no further for its first line. Source: execve(2).
const HEAD_BYTES: u64 = 256;

/// Libraries that are listed. Real programs name a few dozen.
const LIBRARIES_MAX: usize = 256;

/// The statuses with which a shell, or a loader, ends that cannot go on with a file.
const TELLING_STATUSES: [i32; 3] = [2, 126, 127];

/// Looks at the file if the end gives reason to.
pub(super) fn look_at(path: PathBuf, end: &End) -> Executable {
    let is_telling = match end {
        End::NotStarted { .. } => true,
        End::Exited(status) => TELLING_STATUSES.contains(status),
        End::Killed(_) => false,
    };
    let mode = path.metadata().map(|found| found.permissions().mode());
    let kind = if is_telling { kind(&path) } else { None };
    Executable {
        may_execute: mode.is_ok_and(|mode| mode & 0o111 != 0),
        kind: kind.unwrap_or(FileKind::Unknown),
        path,
    }
}

fn kind(path: &Path) -> Option<FileKind> {
    let mut head = Vec::new();
    let file = File::open(path).ok()?;
    (&file).take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    if let Some(line) = head.strip_prefix(b"#!") {
        return Some(script(line));
    }
    if !head.starts_with(&elf::ELFMAG) {
        return Some(FileKind::Other);
    }
    let cache = ReadCache::new(file);
    match head.get(4).copied().map(elf::FileClass) {
        Some(elf::ELFCLASS64) => program::<elf::FileHeader64<Endianness>, _>(&cache),
        _ => program::<elf::FileHeader32<Endianness>, _>(&cache),
    }
}

fn script(line: &[u8]) -> FileKind {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let interpreter = text.split_whitespace().next().unwrap_or_default();
    let interpreter = PathBuf::from(interpreter);
    FileKind::Script {
        has_interpreter: interpreter.is_file(),
        interpreter,
        has_carriage_return: line.ends_with(b"\r"),
    }
}

fn program<'data, H, R>(data: R) -> Option<FileKind>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).unwrap_or_default();
    let loader = segments.iter().find_map(|segment| {
        let name = segment.interpreter(endian, data).ok()??;
        Some(PathBuf::from(String::from_utf8_lossy(name).into_owned()))
    });
    let machine = header.e_machine(endian);
    Some(FileKind::Elf {
        machine: machine_name(machine),
        is_native: is_native(machine, endian),
        has_loader: loader.as_ref().is_some_and(|loader| loader.is_file()),
        loader,
        needs: needs::<H, R>(segments, endian, data).unwrap_or_default(),
    })
}

/// The libraries that a program names.
fn needs<'data, H, R>(
    segments: &[H::ProgramHeader],
    endian: Endianness,
    data: R,
) -> Option<Vec<String>>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let entries = segments
        .iter()
        .find_map(|segment| segment.dynamic(endian, data).ok()?)?;
    let value = |tag| {
        let mut entries = entries.iter();
        let entry = entries.find(|entry| entry.tag(endian) == tag)?;
        Some(entry.val(endian))
    };
    let (address, size) = (value(DT_STRTAB)?, value(DT_STRSZ)?);
    let offset = segments.iter().find_map(|segment| {
        let (first, offset): (u64, u64) = (
            segment.p_vaddr(endian).into(),
            segment.p_offset(endian).into(),
        );
        let length: u64 = segment.p_filesz(endian).into();
        let is_in = segment.p_type(endian) == elf::PT_LOAD
            && (first..first.saturating_add(length)).contains(&address);
        is_in.then(|| offset + (address - first))
    })?;
    let strings = StringTable::new(data, offset, offset.checked_add(size)?);
    let names = entries
        .iter()
        .filter(|entry| entry.tag(endian) == DT_NEEDED)
        .take(LIBRARIES_MAX)
        .filter_map(|entry| strings.get(entry.val32(endian)?).ok())
        .map(|name| String::from_utf8_lossy(name).into_owned());
    Some(names.collect())
}

/// Whether this machine executes it. A 64-bit machine mostly executes its 32-bit elder's programs too.
fn is_native(machine: elf::Machine, endian: Endianness) -> bool {
    let native: &[elf::Machine] = match std::env::consts::ARCH {
        "x86_64" => &[elf::EM_X86_64, elf::EM_386],
        "aarch64" => &[elf::EM_AARCH64, elf::EM_ARM],
        "x86" => &[elf::EM_386],
        "arm" => &[elf::EM_ARM],
        "riscv64" => &[elf::EM_RISCV],
        "powerpc64" => &[elf::EM_PPC64],
        "s390x" => &[elf::EM_S390],
        // What is not known is not said to be foreign.
        _ => return true,
    };
    native.contains(&machine) && endian == Endianness::default()
}

fn machine_name(machine: elf::Machine) -> String {
    let name = match machine {
        elf::EM_X86_64 => "x86-64",
        elf::EM_386 => "x86 (32 bits)",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "arm (32 bits)",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC64 => "POWER (64 bits)",
        elf::EM_S390 => "IBM Z",
        other => return format!("the machine of ELF number {}", other.0),
    };
    name.to_owned()
}
