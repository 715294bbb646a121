use aws_lc_rs::digest::{Context, SHA256};

use crate::{LeftOut, Part};

pub(crate) fn begin() -> Context {
    Context::new(&SHA256)
}

pub(crate) fn add_line(context: &mut Context, line: &str) {
    context.update(line.as_bytes());
    context.update(b"\n");
}

pub(crate) fn hex(context: Context) -> String {
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a whole export.
pub(crate) fn whole(header: &str, relations: &[Part], left_out: &[LeftOut]) -> String {
    let mut context = begin();
    add_line(&mut context, header);
    for Part { relation, rows, sha256 } in relations {
        add_line(&mut context, &format!("{relation}\t{rows}\t{sha256}"));
    }
    for LeftOut { relation, .. } in left_out {
        add_line(&mut context, &format!("-\t{relation}"));
    }
    hex(context)
}
