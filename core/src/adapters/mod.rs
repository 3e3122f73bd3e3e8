//! The world outside: the machine's random source, password hashing, key and secret files, mail; and what is computed with
//! secrets.

pub mod digest;
pub mod keys;
pub mod mail;
pub mod passwords;
pub mod proxies;
pub mod random;
pub mod refresh_token;
pub mod seal;
pub mod secret_file;
pub mod stripe;
pub mod test_clock;
pub mod totp;
