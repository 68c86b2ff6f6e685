//! Mirrors and sources: refusals in the reference's words.

use std::sync::Arc;

use types::{StreamConfig, StreamConfigRequest};

use super::{StreamLimits, Strictness, check_stream_config_among};

/// What the reference answers to a configuration, given as JSON; origin `O` has messages of up to
/// 1000 bytes and direct gets, `D` gathers from `S`.
fn answer(json: &str) -> String {
    let others = |name: &str| {
        let text = match name {
            "O" => r#"{"name":"O","subjects":["a.>"],"max_msg_size":1000,"allow_direct":true}"#,
            "D" => r#"{"name":"D","subjects":["d"],"sources":[{"name":"S"}]}"#,
            _ => return None,
        };
        Some(Arc::new(serde_json::from_str::<StreamConfig>(text).expect("valid JSON")))
    };
    let request: StreamConfigRequest = serde_json::from_str(json).expect("valid JSON");
    let strictness = Strictness::from_pedantic(request.pedantic);
    let limits = StreamLimits::default();
    match check_stream_config_among(request.config, &limits, strictness, &others) {
        Ok(config) => format!("ok {} {:?}", config.mirror_direct, config.subjects),
        Err(error) => format!("{} {}", error.err_code, error.description),
    }
}

#[test]
fn mirrors() {
    let rows = [
        (r#"{"name":"O"}"#, "", "ok true []"),
        (r#"{"name":"N"}"#, "", "ok false []"),
        (
            r#"{"name":"O"}"#,
            r#","subjects":["m"]"#,
            "10034 stream mirrors can not contain subjects",
        ),
        (
            r#"{"name":"O"}"#,
            r#","sources":[{"name":"O"}]"#,
            "10031 stream mirrors can not also contain other sources",
        ),
        (
            r#"{"name":"O"}"#,
            r#","first_seq":5"#,
            "10143 stream mirrors can not have first sequence configured",
        ),
        (
            r#"{"name":"O"}"#,
            r#","allow_batched":true"#,
            "10209 stream mirrors can not also use batch publishing",
        ),
        (
            r#"{"name":"O","filter_subject":"a","subject_transforms":[{"src":"a","dest":"b"}]}"#,
            "",
            "10150 mirror with multiple subject transforms cannot also have a single subject filter",
        ),
        (
            r#"{"name":"O","subject_transforms":[{"src":"a..b","dest":"b"}]}"#,
            "",
            "10151 mirror transform source: invalid subject a..b",
        ),
        (
            r#"{"name":"O","subject_transforms":[{"src":"a.*","dest":"b"},{"src":"a.>","dest":"c"}]}"#,
            "",
            "10152 mirror subject filters can not overlap",
        ),
        (
            r#"{"name":"O","filter_subject":"a..b"}"#,
            "",
            "10049 subject filter 'a..b' for the mirror invalid subject",
        ),
        (r#"{"name":"a.b"}"#, "", "10142 mirrored stream name is invalid"),
        (r#"{"name":"S"}"#, "", "10052 detected cycle"),
        (r#"{"name":"D"}"#, "", "10052 detected cycle"),
        (
            r#"{"name":"O"}"#,
            r#","max_msg_size":10"#,
            "10030 stream mirror must have max message size >= source",
        ),
        (
            r#"{"name":"O"}"#,
            r#","pedantic":true,"max_msgs":-1"#,
            "10157 pedantic mode: origin stream has direct get set, mirror has it disabled",
        ),
        (
            r#"{"name":"O","external":{"api":"$JS.API","deliver":"x"}}"#,
            "",
            "10021 stream external api prefix $JS.API must not overlap with $JS.API",
        ),
        (
            r#"{"name":"O","external":{"api":"a.*","deliver":"x"}}"#,
            "",
            "10052 stream external api prefix \"a.*\" must be a valid subject without wildcards",
        ),
        (
            r#"{"name":"O","external":{"api":"a.b","deliver":"x.*"}}"#,
            "",
            "10024 stream external delivery prefix x.* must not contain wildcards",
        ),
        (
            r#"{"name":"O","consumer":{"name":"c","deliver_subject":"*"}}"#,
            "",
            "10213 stream mirror consumer config is invalid",
        ),
    ];
    for (mirror, more, want) in rows {
        let json = format!(r#"{{"name":"S","mirror":{mirror}{more}}}"#);
        assert_eq!(answer(&json), want, "{json}");
    }
}

#[test]
fn sources() {
    let rows = [
        (r#"{"name":"O"}"#, "", "ok false []"),
        (r#"{"name":"O"},{"name":"O","filter_subject":"a"}"#, "", "ok false []"),
        (r#"{"name":"O"},{"name":"O"}"#, "", "10140 duplicate source configuration detected"),
        (r#"{"name":"a b"}"#, "", "10141 sourced stream name is invalid"),
        (
            r#"{"name":"O","filter_subject":"a","subject_transforms":[{"src":"a","dest":"b"}]}"#,
            "",
            "10144 source with multiple subject transforms cannot also have a single subject filter",
        ),
        (
            r#"{"name":"O","subject_transforms":[{"src":"a..b","dest":"b"}]}"#,
            "",
            "10145 source transform source: invalid subject a..b",
        ),
        (
            r#"{"name":"O","subject_transforms":[{"src":"a.*","dest":"b.$1"},{"src":"a.>","dest":"c.>"}]}"#,
            "",
            "10147 source filters can not overlap",
        ),
        (
            r#"{"name":"O","filter_subject":"a..b"}"#,
            "",
            "10049 subject filter 'a..b' for the source: invalid subject",
        ),
        (r#"{"name":"S"}"#, "", "10052 detected cycle"),
        (r#"{"name":"S","filter_subject":"y"}"#, r#","subjects":["z"]"#, "ok false [\"z\"]"),
        (r#"{"name":"D"}"#, "", "10052 detected cycle"),
        (
            r#"{"name":"O"}"#,
            r#","max_msg_size":10"#,
            "10046 stream source must have max message size >= target",
        ),
        (
            r#"{"name":"O"}"#,
            r#","allow_msg_schedules":true"#,
            "10187 stream source can not also schedule messages",
        ),
        (
            r#"{"name":"O","consumer":{"name":"c","deliver_subject":"d"},"opt_start_seq":1}"#,
            "",
            "10215 stream source consumer config is invalid",
        ),
    ];
    for (sources, more, want) in rows {
        let json = format!(r#"{{"name":"S","sources":[{sources}]{more}}}"#);
        assert_eq!(answer(&json), want, "{json}");
    }
}
