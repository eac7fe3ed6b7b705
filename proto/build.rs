//! Compiles the .proto files without protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = [
        "latewood/v1/store.proto",
        "latewood/v1/deletion.proto",
        "latewood/v1/cluster.proto",
        "prometheus/remote_read.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    // What nodes carry for each other is large and not looked into.
    tonic_prost_build::configure().bytes(".latewood.cluster").compile_fds(descriptors)?;
    Ok(())
}
