//! The program `rook`. Everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    rook::main()
}
