//! Where servers of tests keep data that nobody will read again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SHARED_MEMORY: &str = "/dev/shm";
/// Room that a run of all tests stays far below: its databases live as long as their tests.
const ROOM_BYTES: u64 = 4 << 30;

/// The system's folder in memory where it has room and lets programs run, else the temporary
/// folder. A third of a test's time was the file system's, making and removing databases.
pub(super) fn folder_for_tests() -> PathBuf {
    let memory = Path::new(SHARED_MEMORY);
    let usable = lets_programs_run(memory) && room(memory).is_some_and(|bytes| bytes >= ROOM_BYTES);
    if usable { memory.to_owned() } else { std::env::temp_dir() }
}

/// A server's program may be copied beside its data; containers often forbid to run it there.
fn lets_programs_run(mount: &Path) -> bool {
    fs::read_to_string("/proc/mounts")
        .is_ok_and(|mounts| mounts.lines().any(|line| is_memory_for_programs(line, mount)))
}

fn is_memory_for_programs(line: &str, mount: &Path) -> bool {
    let mut fields = line.split(' ').skip(1);
    let (Some(at), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    Path::new(at) == mount && kind == "tmpfs" && options.split(',').all(|one| one != "noexec")
}

/// Bytes that are free, both in the file system and in the machine's memory behind it.
fn room(mount: &Path) -> Option<u64> {
    Some(free_in_file_system(mount)?.min(free_memory()?))
}

fn free_in_file_system(mount: &Path) -> Option<u64> {
    let output = Command::new("stat")
        .args(["--file-system", "--format", "%a %S"])
        .arg(mount)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (blocks, size) = text.trim().split_once(' ')?;
    blocks.parse::<u64>().ok()?.checked_mul(size.parse().ok()?)
}

fn free_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_lets_no_program_run_is_not_used() {
        let shm = Path::new(SHARED_MEMORY);
        let open = "tmpfs /dev/shm tmpfs rw,relatime,size=64k 0 0";
        let closed = "shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime 0 0";
        let elsewhere = "tmpfs /run tmpfs rw 0 0";
        let disk = "/dev/vda /dev/shm ext4 rw 0 0";
        let usable =
            [open, closed, elsewhere, disk, ""].map(|line| is_memory_for_programs(line, shm));
        assert_eq!(usable, [true, false, false, false, false]);
    }

    #[test]
    fn free_room_of_a_file_system_is_read() {
        assert!(free_in_file_system(Path::new("/")).is_some());
        assert!(free_memory().is_some_and(|bytes| bytes > 0));
    }
}
