//! Recognises RSA moduli of the generator of CVE-2017-15361 ("ROCA"), whose keys can be factored. Pure arithmetic.
//!
//! Primes of that generator are `k * M + (65537^a mod M)`, where `M` is a product of small primes; so, modulo each of these
//! primes, the modulus is a power of 65537. For other moduli that holds with a probability of less than 2^-27 (Nemec et al.,
//! "The Return of Coppersmith's Attack", 2017, section 3).

/// The odd primes up to 167: those of `M` for keys of 512 bits, and a part of it for all longer ones.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus, in big-endian bytes, has the form of that generator's.
pub fn is_suspect(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let residue = modulus
            .iter()
            .fold(0, |residue, byte| (residue * 256 + u32::from(*byte)) % prime);
        is_power_of_65537(residue, *prime)
    })
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * generator % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_the_generator_is_suspect_and_its_neighbour_is_not() {
        // 65537^3, in bytes: a power modulo every prime.
        let power = 65_537_u64.pow(3).to_be_bytes();
        assert!(is_suspect(&power));
        assert!(!is_suspect(&(65_537_u64.pow(3) + 2).to_be_bytes()));
        assert!(!is_suspect(&[]));
    }
}
