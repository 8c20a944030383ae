//! Bytes that once ended, hung or fooled a fuzz target, and the seeds of its corpus: none does any more.

use std::path::Path;

use guira_tests::fuzzed::TARGETS;

#[test]
fn every_kept_input_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inputs");
    for (name, target) in TARGETS {
        let files = std::fs::read_dir(folder.join(name)).expect("a folder for each target");
        let mut tried = 0;
        for file in files {
            let path = file.expect("an entry").path();
            target(&std::fs::read(&path).expect("readable"));
            tried += 1;
        }
        assert!(tried > 0, "no input for {name}");
        // And some that nobody chose.
        for n in 0..200_u64 {
            let bytes: Vec<u8> = (n..n + 12)
                .flat_map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes())
                .collect();
            target(&bytes);
        }
    }
}
