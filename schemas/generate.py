#!/usr/bin/env python3
"""Writes schemas/<model>.avsc and bridge/propexo/models_table.inc from schemas/models.json.

With --check nothing is written; the exit code is 1 when a file on disk differs or is superfluous.

The rules of the schemas: every field is nullable with default null, except a record's own id; created_at,
updated_at and last_seen are timestamp-millis; integers are long, numbers double; free-form objects are JSON
text (marked "propexo.json"); embedded lists are arrays of records; what the API sends beyond that goes
into unmapped_fields, a map of JSON text.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent / "bridge" / "propexo" / "models_table.inc"

NAMESPACE = "propexo"

# What a name alone does not say, in words of our own.
DOCS = {
    "id": "Propexo's id of the record: opaque, never parse it.",
    "created_at": "When the record came into Propexo's cache.",
    "updated_at": "When the record last changed in Propexo's cache.",
    "last_seen": "When a sync last saw the record in the property-management system.",
    "custom_data": "What this system has beyond the common model, as JSON text.",
    "meta_data": "More about the record, as JSON text.",
    "integration_id": "The connection to one customer's system that the record came by.",
    "integration_vendor": "The property-management system behind the integration.",
    "leases_meta_data": "The leases of the resident, with the resident's part in each.",
    "residents_meta_data": "The residents of the lease, with the part of each.",
    "associated_owner_ids": "Ids of the owners of the property.",
}
ENDINGS = (
    ("_in_cents", "Money in cents; may have a fraction."),
    ("_raw", "The value as the property-management system writes it."),
    ("_normalized", "The value in Propexo's own words; new words may come."),
)
PREFIXES = (("x_", "From the property-management system, not from Propexo."),)

TYPES = {"string": "string", "number": "double", "integer": "long", "boolean": "boolean"}


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def doc_of(name):
    if name in DOCS:
        return DOCS[name]
    for ending, text in ENDINGS:
        if name.endswith(ending):
            return text
    for prefix, text in PREFIXES:
        if name.startswith(prefix):
            return text
    return None


def type_of(kind, record_name):
    """The Avro type of a field, without the null."""
    if kind == "time":
        return {"type": "long", "logicalType": "timestamp-millis"}
    if kind == "json":
        return {"type": "string", "propexo.json": True}
    if isinstance(kind, dict):
        return record_of(record_name, kind, None, inner=True)
    if isinstance(kind, list):
        item = type_of(kind[0], record_name + "Item")
        return {"type": "array", "items": item if isinstance(kind[0], dict) else ["null", item]}
    return TYPES[kind]


def field_of(name, kind, owner, required):
    field = {"name": name}
    if doc_of(name) is not None:
        field["doc"] = doc_of(name)
    if required:
        field["type"] = TYPES[kind]
    else:
        field["type"] = ["null", type_of(kind, owner + camel(name))]
        field["default"] = None
    return field


def record_of(name, fields, doc, inner):
    record = {"type": "record", "name": name}
    if not inner:
        record["namespace"] = NAMESPACE
    if doc is not None:
        record["doc"] = doc
    record["fields"] = [
        field_of(key, kind, name, required=key == "id" and not inner)
        for key, kind in fields.items()
    ]
    return record


def schema_of(model, entry):
    doc = f"The whole record of Propexo's model {model}, as the API answered it."
    schema = record_of(camel(model), entry["fields"], doc, inner=False)
    schema["fields"].append(
        {
            "name": "unmapped_fields",
            "doc": "What the API sent and this schema does not know, or knows with another type: "
            "path to JSON text.",
            "type": {"type": "map", "values": "string"},
            "default": {},
        }
    )
    return json.dumps(schema, indent=2) + "\n"


def quoted(text):
    return "NULL" if text is None else '"' + text + '"'


def table_of(models):
    lines = ["/* Made by schemas/generate.py from schemas/models.json; sorted by name. */"]
    for name, entry in sorted(models.items()):
        filtered = "integration_id" in entry.get("query", [])
        lines.append(
            f"MODEL({quoted(name)}, {quoted(entry.get('list'))}, {quoted(entry.get('get'))}, "
            f"{'true' if filtered else 'false'})"
        )
    return "\n".join(lines) + "\n"


def main():
    models = json.loads((HERE / "models.json").read_text())["models"]
    files = {
        HERE / f"{name}.avsc": schema_of(name, entry)
        for name, entry in models.items()
        if entry.get("list")
    }
    files[TABLE] = table_of(models)
    if "--check" not in sys.argv[1:]:
        for path, text in files.items():
            path.write_text(text)
        return 0
    wrong = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    wrong += [p for p in HERE.glob("*.avsc") if p not in files]
    for path in sorted(wrong):
        print(f"{path.name} differs from schemas/models.json: run make schemas", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
