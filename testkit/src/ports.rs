//! Free ports in blocks of ten, laid out as `script/server` does (public, ops, core, internal, app).
//!
//! A block belongs to whoever holds the lock on its file in the machine's temporary folder, so two tests never share
//! one, whether they run in one process, in two, or in two checkouts. The lock ends with the process that took it.
//! Blocks lie below the range from which the system takes ports for outgoing connections.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST_PORT: u16 = 20_000;
const BLOCKS: u16 = 1_000;
const BLOCK_SIZE: u16 = 10;

/// Where the next search in this process begins, counted from the process's own first block.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Ten neighbouring ports that nobody else uses while this value lives.
#[derive(Debug)]
pub struct PortBlock {
    base: u16,
    /// Locked; closing the file gives the block back.
    _claim: File,
}

impl PortBlock {
    /// Claims a block whose ports are all free.
    ///
    /// # Panics
    /// When there is none, or the lock files cannot be written.
    #[must_use]
    pub fn claim() -> Self {
        let folder = lock_folder();
        // Spread processes over the range, so that they do not all try the same files first.
        let own_first = (std::process::id().wrapping_mul(37) % u32::from(BLOCKS)) as u16;
        for _ in 0..BLOCKS {
            let block = (own_first + NEXT.fetch_add(1, Ordering::Relaxed) % BLOCKS) % BLOCKS;
            let path = folder.join(format!("{block}.lock"));
            let file = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(&path)
                .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
            let base = FIRST_PORT + block * BLOCK_SIZE;
            if file.try_lock().is_ok() && (base..base + BLOCK_SIZE).all(is_free) {
                return Self { base, _claim: file };
            }
        }
        panic!(
            "no free block of ports between {FIRST_PORT} and {}",
            FIRST_PORT + BLOCKS * BLOCK_SIZE
        );
    }

    /// Port `offset` of the block, 0 to 9.
    ///
    /// # Panics
    /// When `offset` lies outside the block.
    #[must_use]
    pub fn port(&self, offset: u16) -> u16 {
        assert!(offset < BLOCK_SIZE, "a block has {BLOCK_SIZE} ports, not {offset}");
        self.base + offset
    }

    /// `127.0.0.1:PORT` for port `offset` of the block.
    #[must_use]
    pub fn address(&self, offset: u16) -> String {
        format!("127.0.0.1:{}", self.port(offset))
    }
}

fn lock_folder() -> PathBuf {
    let folder = std::env::temp_dir().join("igny8-test-ports");
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
    folder
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("0.0.0.0", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn two_blocks_that_live_at_once_share_no_port() {
        let blocks: Vec<_> = (0..20).map(|_| PortBlock::claim()).collect();
        let ports: HashSet<_> = blocks
            .iter()
            .flat_map(|block| (0..10).map(|offset| block.port(offset)))
            .collect();
        assert_eq!(ports.len(), 200);
    }
}
