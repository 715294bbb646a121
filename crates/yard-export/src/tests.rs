use super::*;

fn sample() -> Vec<String> {
    let header = Header {
        format: FORMAT.to_owned(),
        tenant_id: "00000000-0000-0000-0000-000000000001".to_owned(),
        slug: "acme".to_owned(),
        taken_at: "2026-11-30T08:00:00Z".to_owned(),
    };
    let mut writer = Writer::begin(&header).unwrap();
    let mut lines = vec![writer.header().to_owned()];
    writer.relation("tenant.devices");
    lines.push(writer.row(r#"{"id": 1}"#));
    lines.push(writer.row(r#"{"id": 2}"#));
    writer.relation("tenant.commands");
    writer.relation("series.telemetry");
    lines.push(writer.row(r#"{"at": "x"}"#));
    let left_out = LeftOut {
        relation: "platform.sessions".to_owned(),
        reason: "ends with the tenant".to_owned(),
    };
    lines.push(writer.finish(vec![left_out]).unwrap().0);
    lines
}

fn check(lines: &[String]) -> Result<Verified, Problem> {
    let mut checker = Checker::default();
    lines.iter().try_for_each(|line| checker.line(line))?;
    checker.finish()
}

#[test]
fn whole_export_is_verified_with_empty_relations() {
    let found = check(&sample()).unwrap();
    assert_eq!(found.header.slug, "acme");
    let rows: Vec<_> = found.manifest.relations.iter().map(|part| part.rows).collect();
    assert_eq!(rows, [2, 0, 1]);
}

#[test]
fn digest_is_of_the_documented_lines() {
    // printf '{"format":"switchyard-tenant-export/1",…}\n…' | sha256sum, by the module's own text.
    let lines = sample();
    let found = check(&lines).unwrap().manifest;
    let sha = |text: &str| {
        let mut context = digest::begin();
        context.update(text.as_bytes());
        digest::hex(context)
    };
    let devices = sha(&format!("{}\n{}\n", lines[1], lines[2]));
    assert_eq!(found.relations[0].sha256, devices);
    assert_eq!(
        sha(""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "known of SHA-256"
    );
    let text = format!(
        "{}\ntenant.devices\t2\t{devices}\ntenant.commands\t0\t{}\nseries.telemetry\t1\t{}\n\
         -\tplatform.sessions\n",
        lines[0],
        sha(""),
        sha(&format!("{}\n", lines[3])),
    );
    assert_eq!(found.digest, sha(&text));
}

#[test]
fn every_damage_is_found() {
    let damage = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = sample();
        change(&mut lines);
        check(&lines).unwrap_err()
    };
    let devices = Problem::Relation("tenant.devices".to_owned());
    assert_eq!(damage(&|lines| drop(lines.pop())), Problem::Broken);
    assert_eq!(damage(&|lines| drop(lines.remove(0))), Problem::Header);
    assert_eq!(damage(&|lines| drop(lines.remove(1))), devices);
    assert_eq!(damage(&|lines| lines.swap(1, 2)), devices);
    assert_eq!(damage(&|lines| lines[1] = lines[1].replace('1', "7")), devices);
    assert_eq!(damage(&|lines| lines.insert(2, lines[1].clone())), devices);
    assert_eq!(damage(&|lines| lines.swap(2, 3)), Problem::Again(4, "tenant.devices".to_owned()));
    assert_eq!(damage(&|lines| lines.push(lines[1].clone())), Problem::AfterEnd(6));
    assert_eq!(damage(&|lines| lines[1] = "{}".to_owned()), Problem::Unreadable(2));
    assert_eq!(damage(&|lines| lines[1] = "x".to_owned()), Problem::Unreadable(2));
    let other = damage(&|lines| lines[0] = lines[0].replace("acme", "byte"));
    assert_eq!(other, Problem::Digest);
    let other = damage(&|lines| lines[4] = lines[4].replace("platform.sessions", "platform.x"));
    assert_eq!(other, Problem::Digest);
    let stray = r#"{"relation":"tenant.extra","row":{}}"#.to_owned();
    let stray = damage(&|lines| lines.insert(4, stray.clone()));
    assert_eq!(stray, Problem::Relation("tenant.extra".to_owned()));
    let newer = damage(&|lines| lines[0] = lines[0].replace("export/1", "export/2"));
    assert_eq!(newer, Problem::Header);
    assert_eq!(check(&[]).unwrap_err(), Problem::Header);
}
