//! Path, query and form values, put into the message by their dotted field path.

use std::collections::BTreeMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use yard_fault::Fault;

use super::pointer::Pointer;
use super::rule::{BodyRule, Route, field_at};
use super::{percent, scalar, well_known};

/// Sets what the path binds. A body that said otherwise is refused.
pub(super) fn bind_path(
    route: &Route,
    message: &mut DynamicMessage,
    captured: &[&str],
) -> Result<(), Fault> {
    for (path, text) in route.template.fields().zip(captured) {
        let at = Pointer::of_path(path);
        let (parent, field) = place(message, path).ok_or_else(|| at.unknown())?;
        let value = parse(&field, &percent::decode(text)?, &at)?;
        if parent.has_field(&field) && *parent.get_field(&field) != value {
            return Err(at.invalid("left out, or as in the address"));
        }
        parent.set_field(&field, value);
    }
    Ok(())
}

/// Sets what a query string says; fields that path or body bind are not parameters.
pub(super) fn bind_query(
    route: &Route,
    message: &mut DynamicMessage,
    query: &str,
) -> Result<(), Fault> {
    for (name, texts) in grouped(query)? {
        let elsewhere = match &route.body {
            BodyRule::Whole => true,
            BodyRule::Field(body) => name.split('.').next() == Some(body.name()),
            BodyRule::None => false,
        };
        if elsewhere || route.template.fields().any(|bound| bound == name) {
            return Err(Pointer::of_path(&name).unknown());
        }
        assign(message, &name, &texts)?;
    }
    Ok(())
}

/// Sets what a form says.
pub(super) fn bind_form(message: &mut DynamicMessage, form: &str) -> Result<(), Fault> {
    grouped(form)?.into_iter().try_for_each(|(name, texts)| assign(message, &name, &texts))
}

fn grouped(text: &str) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in percent::pairs(text)? {
        groups.entry(name).or_default().push(value);
    }
    Ok(groups)
}

fn assign(message: &mut DynamicMessage, path: &str, texts: &[String]) -> Result<(), Fault> {
    let at = Pointer::of_path(path);
    let (parent, field) = place(message, path).ok_or_else(|| at.unknown())?;
    if field.is_map() {
        return Err(at.invalid("sent in a body, not as a parameter"));
    }
    let value = match texts {
        texts if field.is_list() => {
            let values: Result<_, _> = texts.iter().map(|text| parse(&field, text, &at)).collect();
            Value::List(values?)
        }
        [text] => parse(&field, text, &at)?,
        _ => return Err(at.invalid("given once")),
    };
    parent.set_field(&field, value);
    Ok(())
}

fn parse(field: &FieldDescriptor, text: &str, at: &Pointer) -> Result<Value, Fault> {
    match field.kind() {
        Kind::Message(kind) => well_known::from_text(&kind, text, at).map(Value::Message),
        kind => scalar::from_text(&kind, text).map_err(|need| at.invalid(need)),
    }
}

/// The message that holds the last field of a path, made on the way, and that field.
fn place<'m>(
    message: &'m mut DynamicMessage,
    path: &str,
) -> Option<(&'m mut DynamicMessage, FieldDescriptor)> {
    use prost_reflect::ReflectMessage as _;
    let kind: MessageDescriptor = message.descriptor();
    let field = field_at(&kind, path)?;
    let Some((parents, _)) = path.rsplit_once('.') else {
        return Some((message, field));
    };
    let mut holder = message;
    for name in parents.split('.') {
        let step = holder.descriptor().get_field_by_name(name)?;
        holder = holder.get_field_mut(&step).as_message_mut()?;
    }
    Some((holder, field))
}
