//! The API's page: the OpenAPI document, to be read.

use horrorshow::{Raw, Render, owned_html};
use serde_json::{Map, Value};

use super::{shell, text_of};

/// The document for an OpenAPI document. It is ours, so that nothing in it needs to be distrusted.
pub fn api_page(openapi: &Value) -> String {
    let sections: String = list(&openapi["tags"]).iter().map(|tag| text_of(section(openapi, tag))).collect();
    let body = text_of(owned_html! {
        main(id = "api") {
            section(class = "panel", aria-labelledby = "api-title") {
                h1(id = "api-title") : "API";
                p : text(&openapi["info"]["description"]);
                p(class = "more") {
                    : "For programs: ";
                    a(href = "/api/v1/openapi.json") : "the same as an OpenAPI document";
                    : ". Errors are problem documents (RFC 9457) that say what to do.";
                }
            }
            : Raw(&sections);
            : schemas(openapi);
        }
    });
    text_of(owned_html! { : shell::plain("API", &body); })
}

fn section(openapi: &Value, tag: &Value) -> impl Render {
    let name = text(&tag["name"]).to_owned();
    let description = text(&tag["description"]).to_owned();
    let paths = entries(&openapi["paths"]);
    let operations = paths.flat_map(|(path, item)| entries(item).map(move |(method, op)| (path, method, op)));
    let rows: String = operations
        .filter(|(_, _, operation)| list(&operation["tags"]).iter().any(|tag| *tag == *name))
        .map(|(path, method, operation)| text_of(row(path, method, operation)))
        .collect();
    let id = format!("tag-{name}");
    owned_html! {
        section(class = "panel", aria-labelledby = &id) {
            h2(id = &id) : &name;
            p(class = "more") : &description;
            : Raw(&rows);
        }
    }
}

fn row(path: &str, method: &str, operation: &Value) -> impl Render {
    let method = method.to_uppercase();
    let path = path.to_owned();
    let told = [text(&operation["summary"]), text(&operation["description"])].map(str::to_owned);
    let parameters: Vec<_> = list(&operation["parameters"])
        .iter()
        .map(|parameter| [&parameter["name"], &parameter["in"], &parameter["description"]].map(|v| text(v).to_owned()))
        .collect();
    let bodies: Vec<_> = entries(&operation["requestBody"]["content"])
        .map(|(kind, body)| format!("{kind}{}", of(&body["schema"])))
        .collect();
    let replies: Vec<_> = entries(&operation["responses"]).map(|(status, reply)| reply_of(status, reply)).collect();
    owned_html! {
        details(class = "operation") {
            summary { b : &method; : " "; code : &path; : " "; span(class = "detail") { : prose(&told[0]); } }
            @ if !told[1].is_empty() { p { : prose(&told[1]); } }
            dl(class = "facts") {
                @ for [name, place, description] in &parameters {
                    dt { code : name; : " "; : place; } dd { : prose(description); }
                }
                @ for body in &bodies { dt : "body"; dd { code : body; } }
                @ for (status, reply) in &replies { dt { code : status; } dd { : prose(reply); } }
            }
        }
    }
}

fn reply_of(status: &str, reply: &Value) -> (String, String) {
    let bodies: String = entries(&reply["content"]).map(|(_, body)| of(&body["schema"])).next().unwrap_or_default();
    (status.to_owned(), format!("{}{bodies}", text(&reply["description"])))
}

/// Every type, as its schema.
fn schemas(openapi: &Value) -> impl Render {
    let schemas: Vec<_> = entries(&openapi["components"]["schemas"])
        .map(|(name, schema)| (name.to_owned(), serde_json::to_string_pretty(schema).unwrap_or_default()))
        .collect();
    owned_html! {
        section(class = "panel", aria-labelledby = "types-title") {
            h2(id = "types-title") : "Types";
            @ for (name, schema) in &schemas {
                details { summary { code : name; } pre : schema; }
            }
        }
    }
}

/// A text in which code stands between backticks.
fn prose(text: &str) -> impl Render {
    let parts: Vec<_> = text.split('`').map(str::to_owned).collect();
    owned_html! {
        @ for (index, part) in parts.iter().enumerate() {
            @ if index % 2 == 1 { code : part; } else { : part; }
        }
    }
}

/// `: Name` for a schema that has one.
fn of(schema: &Value) -> String {
    let name = text(&schema["$ref"]).rsplit('/').next().unwrap_or_default();
    if name.is_empty() { String::new() } else { format!(": {name}") }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
