//! The sizes of virtual machines that a role could have: disk, processors and memory of each.
//!
//! Rules look here, and the planner, which limits an instance by its size.
//!
//! Source: "Sizes for Cloud Services" (Azure documentation, 2017), of which these are all; for extended
//! support "Available sizes for Azure Cloud Services (extended support)", with the series' own pages for
//! `Dav4` and `Eav4`.

/// Name; the temporary disk in GiB, on which local stores lie; processors; memory in MiB.
///
/// The page file and the dump, 6 GiB together, lie there too and are not taken off: a store that leaves no
/// room for them is no certain failure.
const SIZES: &[(&str, u32, u32, u32)] = &[
    // A, by the names of the first years, by their later ones and by those of Resource Manager.
    ("ExtraSmall", 20, 1, 768),
    ("A0", 20, 1, 768),
    ("Standard_A0", 20, 1, 768),
    ("Small", 225, 1, 1792),
    ("A1", 225, 1, 1792),
    ("Standard_A1", 225, 1, 1792),
    ("Medium", 490, 2, 3584),
    ("A2", 490, 2, 3584),
    ("Standard_A2", 490, 2, 3584),
    ("Large", 1000, 4, 7168),
    ("A3", 1000, 4, 7168),
    ("Standard_A3", 1000, 4, 7168),
    ("ExtraLarge", 2040, 8, 14336),
    ("A4", 2040, 8, 14336),
    ("Standard_A4", 2040, 8, 14336),
    ("A5", 490, 2, 14336),
    ("Standard_A5", 490, 2, 14336),
    ("A6", 1000, 4, 28672),
    ("Standard_A6", 1000, 4, 28672),
    ("A7", 2040, 8, 57344),
    ("Standard_A7", 2040, 8, 57344),
    ("A8", 1817, 8, 57344),
    ("Standard_A8", 1817, 8, 57344),
    ("A9", 1817, 16, 114688),
    ("Standard_A9", 1817, 16, 114688),
    ("A10", 1817, 8, 57344),
    ("Standard_A10", 1817, 8, 57344),
    ("A11", 1817, 16, 114688),
    ("Standard_A11", 1817, 16, 114688),
    // Av2.
    ("Standard_A1_v2", 10, 1, 2048),
    ("Standard_A2_v2", 20, 2, 4096),
    ("Standard_A4_v2", 40, 4, 8192),
    ("Standard_A8_v2", 80, 8, 16384),
    ("Standard_A2m_v2", 20, 2, 16384),
    ("Standard_A4m_v2", 40, 4, 32768),
    ("Standard_A8m_v2", 80, 8, 65536),
    // D.
    ("Standard_D1", 50, 1, 3584),
    ("Standard_D2", 100, 2, 7168),
    ("Standard_D3", 200, 4, 14336),
    ("Standard_D4", 400, 8, 28672),
    ("Standard_D11", 100, 2, 14336),
    ("Standard_D12", 200, 4, 28672),
    ("Standard_D13", 400, 8, 57344),
    ("Standard_D14", 800, 16, 114688),
    // Dv2.
    ("Standard_D1_v2", 50, 1, 3584),
    ("Standard_D2_v2", 100, 2, 7168),
    ("Standard_D3_v2", 200, 4, 14336),
    ("Standard_D4_v2", 400, 8, 28672),
    ("Standard_D5_v2", 800, 16, 57344),
    ("Standard_D11_v2", 100, 2, 14336),
    ("Standard_D12_v2", 200, 4, 28672),
    ("Standard_D13_v2", 400, 8, 57344),
    ("Standard_D14_v2", 800, 16, 114688),
    ("Standard_D15_v2", 1000, 20, 143360),
    // Dv3.
    ("Standard_D2_v3", 50, 2, 8192),
    ("Standard_D4_v3", 100, 4, 16384),
    ("Standard_D8_v3", 200, 8, 32768),
    ("Standard_D16_v3", 400, 16, 65536),
    ("Standard_D32_v3", 800, 32, 131072),
    ("Standard_D64_v3", 1600, 64, 262144),
    // Ev3.
    ("Standard_E2_v3", 50, 2, 16384),
    ("Standard_E4_v3", 100, 4, 32768),
    ("Standard_E8_v3", 200, 8, 65536),
    ("Standard_E16_v3", 400, 16, 131072),
    ("Standard_E32_v3", 800, 32, 262144),
    ("Standard_E64_v3", 1600, 64, 442368),
    // Dav4.
    ("Standard_D2a_v4", 50, 2, 8192),
    ("Standard_D4a_v4", 100, 4, 16384),
    ("Standard_D8a_v4", 200, 8, 32768),
    ("Standard_D16a_v4", 400, 16, 65536),
    ("Standard_D32a_v4", 800, 32, 131072),
    ("Standard_D48a_v4", 1200, 48, 196608),
    ("Standard_D64a_v4", 1600, 64, 262144),
    ("Standard_D96a_v4", 2400, 96, 393216),
    // Eav4.
    ("Standard_E2a_v4", 50, 2, 16384),
    ("Standard_E4a_v4", 100, 4, 32768),
    ("Standard_E8a_v4", 200, 8, 65536),
    ("Standard_E16a_v4", 400, 16, 131072),
    ("Standard_E20a_v4", 500, 20, 163840),
    ("Standard_E32a_v4", 800, 32, 262144),
    ("Standard_E48a_v4", 1200, 48, 393216),
    ("Standard_E64a_v4", 1600, 64, 524288),
    ("Standard_E96a_v4", 2400, 96, 688128),
    // F.
    ("Standard_F1", 16, 1, 2048),
    ("Standard_F2", 32, 2, 4096),
    ("Standard_F4", 64, 4, 8192),
    ("Standard_F8", 128, 8, 16384),
    ("Standard_F16", 256, 16, 32768),
    // G.
    ("Standard_G1", 384, 2, 28672),
    ("Standard_G2", 768, 4, 57344),
    ("Standard_G3", 1536, 8, 114688),
    ("Standard_G4", 3072, 16, 229376),
    ("Standard_G5", 6144, 32, 458752),
    // H.
    ("Standard_H8", 1000, 8, 57344),
    ("Standard_H16", 2000, 16, 114688),
    ("Standard_H8m", 1000, 8, 114688),
    ("Standard_H16m", 2000, 16, 229376),
    ("Standard_H16r", 2000, 16, 114688),
    ("Standard_H16mr", 2000, 16, 229376),
];

/// The names of all sizes.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SIZES.iter().map(|(name, ..)| *name)
}

/// The temporary disk of the size of this name, in GiB.
pub(crate) fn disk_gib(name: &str) -> Option<u32> {
    let size = SIZES.iter().find(|(size, ..)| *size == name);
    size.map(|(_, disk_gib, ..)| *disk_gib)
}

/// What an instance of a size may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmSize {
    /// Processors.
    pub cores: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
}

impl VmSize {
    /// The size of this name, exactly as the platform wrote it.
    pub fn named(name: &str) -> Option<VmSize> {
        let size = SIZES.iter().find(|(size, ..)| *size == name);
        size.map(|(.., cores, memory_mib)| VmSize {
            cores: *cores,
            memory_mib: *memory_mib,
        })
    }
}

/// Whether a name is formed like those of the sizes since 2014, such as `Standard_D2s_v5`: a family in
/// capitals, a number of cores, features in small letters, then words.
pub(crate) fn is_formed_like_a_size(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("Standard_") else {
        return false;
    };
    let mut words = rest.split('_');
    let first = words.next().unwrap_or_default();
    let number = first.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let features = number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
    let begins_with_letter = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    number.len() < first.len()
        && number.starts_with(|c: char| c.is_ascii_digit())
        && features.bytes().all(|byte| byte.is_ascii_lowercase())
        && words.all(begins_with_letter)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_size_has_one_name_and_a_disk() {
        let distinct: HashSet<_> = names().collect();
        assert_eq!(distinct.len(), SIZES.len());
        assert!(names().all(|name| disk_gib(name) > Some(9)));
        assert_eq!(disk_gib("Small"), Some(225));
        assert_eq!(disk_gib("small"), None);
        let small = VmSize {
            cores: 1,
            memory_mib: 1792,
        };
        assert_eq!(VmSize::named("Small"), Some(small));
        assert_eq!(VmSize::named("small"), None);
        assert!(names().all(|name| {
            VmSize::named(name).is_some_and(|size| size.memory_mib / size.cores >= 768)
        }));
    }

    #[test]
    fn names_of_known_and_later_sizes_are_formed_alike() {
        let of_known = names().filter(|name| name.starts_with("Standard_"));
        let later = [
            "Standard_D2s_v5",
            "Standard_NC24ads_A100_v4",
            "Standard_E4-2s_v5",
            "Standard_DS1",
        ];
        for name in of_known.chain(later) {
            assert!(is_formed_like_a_size(name), "{name}");
        }
        for name in [
            "",
            "Big",
            "Standard_",
            "Standard_D",
            "Standard_2",
            "Standard_D1v2",
            "Standard_D1__v2",
        ] {
            assert!(!is_formed_like_a_size(name), "{name}");
        }
    }
}
