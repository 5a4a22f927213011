//! YAML as a JSON value, with merge keys (`<<`) resolved as Compose does.

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value};

/// The one document of `text`.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let documents = YamlOwned::load_from_str(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => value(document),
        other => Err(format!("{} documents instead of one", other.len())),
    }
}

fn value(node: &YamlOwned) -> Result<Value, String> {
    Ok(match node {
        YamlOwned::Value(scalar) => match scalar {
            ScalarOwned::Null => Value::Null,
            ScalarOwned::Boolean(flag) => Value::from(*flag),
            ScalarOwned::Integer(number) => Value::from(*number),
            ScalarOwned::FloatingPoint(number) => Value::from(number.into_inner()),
            ScalarOwned::String(text) => Value::from(text.as_str()),
        },
        YamlOwned::Sequence(items) => Value::Array(items.iter().map(value).collect::<Result<_, _>>()?),
        YamlOwned::Mapping(entries) => {
            let (mut own, mut merged) = (Map::new(), Map::new());
            for (key, entry) in entries {
                let Value::String(key) = value(key)? else { return Err("a key that is no text".to_owned()) };
                match (key.as_str(), value(entry)?) {
                    ("<<", Value::Object(base)) => merged = base,
                    ("<<", _) => return Err("a merge of something that is no mapping".to_owned()),
                    (_, entry) => drop(own.insert(key, entry)),
                }
            }
            merged.extend(own);
            Value::Object(merged)
        }
        YamlOwned::Tagged(_, inner) => value(inner)?,
        YamlOwned::Representation(text, ..) => Value::from(text.as_str()),
        YamlOwned::Alias(_) | YamlOwned::BadValue => {
            return Err("an alias or value that cannot be read".to_owned());
        }
    })
}
