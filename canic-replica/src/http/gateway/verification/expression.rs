//! The header `IC-CertificateExpression`: what goes into the hashes of a request and a response.

use ic_http_certification::{DefaultResponseCertification, cel::DefaultRequestCertification};

/// What the header says.
#[derive(Debug, PartialEq)]
pub(super) enum Expression<'a> {
    /// Nothing is certified.
    Nothing,
    /// The response is certified.
    Certified {
        request: RequestPart<'a>,
        response: DefaultResponseCertification<'a>,
    },
}

/// What is certified of the request.
#[derive(Debug, PartialEq)]
pub(super) enum RequestPart<'a> {
    Nothing,
    /// Method, body, and the headers and parameters of these names.
    Hash(DefaultRequestCertification<'a>),
}

impl<'a> Expression<'a> {
    /// Reads the value of the header.
    pub(super) fn parse(value: &'a str) -> Result<Self, String> {
        let mut parser = Parser { rest: value };
        let expression = parser
            .expression()
            .map_err(|why| format!("the header IC-CertificateExpression: {why}"))?;
        Ok(expression)
    }
}

/// Reads by the grammar of the specification. White space between tokens, which the grammar does
/// not have, is allowed; the order of fields is free.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Result<Expression<'a>, String> {
        self.expect("default_certification")?;
        self.expect("(")?;
        let mut nothing = None;
        let mut certified = None;
        self.object("ValidationArgs", |parser, field| match field {
            "no_certification" => set(&mut nothing, field, parser.empty()),
            "certification" => set(&mut certified, field, parser.certification()),
            _ => unknown(field),
        })?;
        self.expect(")")?;
        match (nothing, certified) {
            (Some(()), None) => Ok(Expression::Nothing),
            (None, Some((request, response))) => Ok(Expression::Certified { request, response }),
            _ => Err("either `no_certification` or `certification` is needed".to_owned()),
        }
    }

    fn certification(
        &mut self,
    ) -> Result<(RequestPart<'a>, DefaultResponseCertification<'a>), String> {
        let (mut nothing, mut request, mut response) = (None, None, None);
        self.object("Certification", |parser, field| match field {
            "no_request_certification" => set(&mut nothing, field, parser.empty()),
            "request_certification" => set(&mut request, field, parser.request()),
            "response_certification" => set(&mut response, field, parser.response()),
            _ => unknown(field),
        })?;
        let request = match (nothing, request) {
            (Some(()), None) => RequestPart::Nothing,
            (None, Some(request)) => RequestPart::Hash(request),
            _ => {
                return Err(
                    "either `no_request_certification` or `request_certification` is needed"
                        .to_owned(),
                );
            }
        };
        let response = response.ok_or("`response_certification` is missing")?;
        Ok((request, response))
    }

    fn request(&mut self) -> Result<DefaultRequestCertification<'a>, String> {
        let (mut headers, mut parameters) = (None, None);
        self.object("RequestCertification", |parser, field| match field {
            "certified_request_headers" => set(&mut headers, field, parser.strings()),
            "certified_query_parameters" => set(&mut parameters, field, parser.strings()),
            _ => unknown(field),
        })?;
        let headers = headers.ok_or("`certified_request_headers` is missing")?;
        let parameters = parameters.ok_or("`certified_query_parameters` is missing")?;
        Ok(DefaultRequestCertification::new(headers, parameters))
    }

    fn response(&mut self) -> Result<DefaultResponseCertification<'a>, String> {
        let (mut included, mut excluded) = (None, None);
        self.object("ResponseCertification", |parser, field| match field {
            "certified_response_headers" => set(&mut included, field, parser.header_list()),
            "response_header_exclusions" => set(&mut excluded, field, parser.header_list()),
            _ => unknown(field),
        })?;
        match (included, excluded) {
            (Some(names), None) => Ok(DefaultResponseCertification::certified_response_headers(
                names,
            )),
            (None, Some(names)) => Ok(DefaultResponseCertification::response_header_exclusions(
                names,
            )),
            _ => Err(
                "either `certified_response_headers` or `response_header_exclusions` is needed"
                    .to_owned(),
            ),
        }
    }

    fn header_list(&mut self) -> Result<Vec<&'a str>, String> {
        let mut names = None;
        self.object("ResponseHeaderList", |parser, field| match field {
            "headers" => set(&mut names, field, parser.strings()),
            _ => unknown(field),
        })?;
        names.ok_or_else(|| "`headers` is missing".to_owned())
    }

    fn empty(&mut self) -> Result<(), String> {
        self.object("Empty", |_, field| unknown(field))
    }

    /// `Name{field:value,field:value}`.
    fn object(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Self, &'a str) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(name)?;
        self.list("{", "}", |parser| {
            let field = parser.word();
            parser.expect(":")?;
            read(parser, field)
        })
    }

    /// `["a","b"]`.
    fn strings(&mut self) -> Result<Vec<&'a str>, String> {
        let mut strings = Vec::new();
        self.list("[", "]", |parser| {
            parser.expect("\"")?;
            let (string, rest) = parser.rest.split_once('"').ok_or("a string has no end")?;
            parser.rest = rest;
            strings.push(string);
            Ok(())
        })?;
        Ok(strings)
    }

    fn list(
        &mut self,
        start: &str,
        end: &str,
        mut item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(start)?;
        if self.has(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.has(end) {
                return Ok(());
            }
            self.expect(",")?;
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.has(token) {
            return Ok(());
        }
        let found: String = self.rest.chars().take(20).collect();
        Err(format!("`{token}` is expected at `{found}`"))
    }

    fn has(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

fn set<T>(place: &mut Option<T>, field: &str, value: Result<T, String>) -> Result<(), String> {
    if place.replace(value?).is_some() {
        return Err(format!("`{field}` occurs twice"));
    }
    Ok(())
}

fn unknown(field: &str) -> Result<(), String> {
    Err(format!("there is no field `{field}` here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = r#"response_certification:ResponseCertification{certified_response_headers:ResponseHeaderList{headers:["ETag","Date"]}}"#;

    fn of_response<'a>() -> Expression<'a> {
        let names = vec!["ETag", "Date"];
        Expression::Certified {
            request: RequestPart::Nothing,
            response: DefaultResponseCertification::certified_response_headers(names),
        }
    }

    /// dfinity/developer-docs docs/references/http-gateway-protocol-spec.md, "The Certificate
    /// Expression Header".
    #[test]
    fn the_grammar_of_the_specification_is_read() {
        let skipped = "default_certification(ValidationArgs{no_certification:Empty{}})";
        assert_eq!(Expression::parse(skipped), Ok(Expression::Nothing));
        let certified = format!(
            "default_certification(ValidationArgs{{certification:Certification{{\
             no_request_certification:Empty{{}},{RESPONSE}}}}})"
        );
        assert_eq!(Expression::parse(&certified).unwrap(), of_response());
        // White space is optional.
        for token in ["(", "{", "}", ":", "[", "]", ","] {
            let spaced = certified.replace(token, &format!(" \n{token}\t "));
            assert_eq!(Expression::parse(&spaced).unwrap(), of_response());
        }
        let full = r#"default_certification(ValidationArgs{certification:Certification{request_certification:RequestCertification{certified_request_headers:[],certified_query_parameters:["a"]},response_certification:ResponseCertification{response_header_exclusions:ResponseHeaderList{headers:[]}}}})"#;
        let expected = Expression::Certified {
            request: RequestPart::Hash(DefaultRequestCertification::new(vec![], vec!["a"])),
            response: DefaultResponseCertification::response_header_exclusions(vec![]),
        };
        assert_eq!(Expression::parse(full).unwrap(), expected);
    }

    #[test]
    fn other_expressions_are_refused() {
        let args = |fields: &str| format!("default_certification(ValidationArgs{{{fields}}})");
        let certification =
            |fields: &str| args(&format!("certification:Certification{{{fields}}}"));
        let skip = "no_certification:Empty{}";
        let no_request = "no_request_certification:Empty{}";
        let refused = [
            (String::new(), "`default_certification` is expected"),
            (args(""), "either `no_certification`"),
            (
                args(&format!("{skip},{skip}")),
                "`no_certification` occurs twice",
            ),
            (
                args("no_certification:Full{}"),
                "`Empty` is expected at `Full",
            ),
            (args("no_certification:Empty{a:b}"), "no field `a`"),
            (args("nothing:Empty{}"), "no field `nothing`"),
            (
                certification(no_request),
                "`response_certification` is missing",
            ),
            (certification(RESPONSE), "either `no_request_certification`"),
            (args(skip).replace(')', ""), "`)` is expected"),
            (
                certification(&format!("{no_request},{RESPONSE}")).replace("Date\"", "Date"),
                "a string has no end",
            ),
            (
                "default_certification(\"".repeat(9_000),
                "`ValidationArgs` is expected",
            ),
        ];
        for (expression, why) in refused {
            let error = Expression::parse(&expression).unwrap_err();
            assert!(error.contains(why), "{error} for {expression}");
        }
    }
}
