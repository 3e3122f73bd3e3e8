//! The world outside: the machine's random source, password hashing, key and secret files.

pub mod keys;
pub mod passwords;
pub mod random;
pub mod secret_file;
pub mod stripe;
pub mod test_clock;
