#!/usr/bin/env python3
"""Writes schemas/<model>.avsc and bridge/propexo/models_table.inc from schemas/models.json.

With --check it writes nothing and exits with 1 when a file on disk is not what it would write.

Models that no endpoint reads and no other model holds are assembled from webhooks; they share one
schema, schemas/assembled.avsc.

The rules (bridge/README.md says why): every field is nullable with default null except `id`;
created_at, updated_at and last_seen are timestamp-millis; integers are long, numbers double; a
free-form object is a string of JSON text, marked with the attribute "propexo.json"; lists hold
strings or records whose fields are all nullable; `unmapped_fields` comes last.
"""
import fnmatch
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent / "bridge" / "propexo" / "models_table.inc"
NAMESPACE = "propexo"
TIMESTAMPS = {"created_at", "updated_at", "last_seen"}
TIMESTAMP = {"type": "long", "logicalType": "timestamp-millis"}
SCALARS = {"string": "string", "integer": "long", "number": "double", "boolean": "boolean", "object": "string"}
UNMAPPED = {
    "name": "unmapped_fields",
    "type": {"type": "map", "values": "string"},
    "default": {},
    "doc": "What the API sent and this schema does not know, or knows with another type: "
           "name (or path, such as pets[0].colour) to JSON text.",
}
ASSEMBLED = {
    "type": "record", "name": "Assembled", "namespace": NAMESPACE,
    "doc": "A record of a model that no endpoint reads, put together from what webhooks told of it.",
    "fields": [
        {"name": "id", "type": "string", "doc": "Propexo's identifier."},
        *({"name": name, "type": ["null", "string"], "default": None} for name in
          ("integration_id", "property_id", "x_id")),
        *({"name": name, "type": ["null", TIMESTAMP], "default": None} for name in
          ("created_at", "updated_at", "last_seen")),
        {"name": "completeness", "type": ["null", "string"], "default": None,
         "doc": "Always assembled: fields that no webhook told of are missing."},
        {"name": "fields_seen", "type": ["null", {"type": "array", "items": "string"}], "default": None,
         "doc": "The names of all fields that a webhook told of."},
        {"name": "fields", "type": {"type": "map", "values": "string"}, "default": {},
         "doc": "All other fields that a webhook told of: name to JSON text."},
    ],
}
JSON_DOC = "Free-form, as JSON text."
NAME = re.compile(r"[a-z][a-z0-9_]*")


def fail(message):
    sys.exit(f"schemas/models.json: {message}")


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


class Docs:
    """The documentation of fields: by path in the model, by name, by pattern."""

    def __init__(self, source):
        self.common = source["field_docs"]
        self.children = {}
        for child, model in source["models"].items():
            for parent, field, _ in model.get("parents", []):
                self.children[parent, field] = child

    def find(self, model_name, model, path):
        name = path.rsplit(".", 1)[-1]
        doc = model.get("docs", {}).get(path) or self.common.get(name)
        if doc is None:
            doc = next((text for glob, text in self.common.items() if fnmatch.fnmatchcase(name, glob)), "")
        child = self.children.get((model_name, path))
        if child:
            doc = f"{doc} What the model {child} tells.".strip()
        return doc


def avro_type(model_name, model, docs, path, kind):
    name = path.rsplit(".", 1)[-1]
    if isinstance(kind, list) and isinstance(kind[0], dict):
        record = camel(model_name) + "".join(camel(part) for part in path.split(".")) + "Item"
        items = [field(model_name, model, docs, f"{path}.{item}", item_kind)
                 for item, item_kind in kind[0].items()]
        return {"type": "array", "items": {"type": "record", "name": record, "fields": items}}
    if isinstance(kind, list):
        return {"type": "array", "items": SCALARS[kind[0]]}
    return TIMESTAMP if name in TIMESTAMPS else SCALARS[kind]


def field(model_name, model, docs, path, kind):
    name = path.rsplit(".", 1)[-1]
    if not NAME.fullmatch(name):
        fail(f"{model_name}.{path} is no Avro name")
    doc = docs.find(model_name, model, path)
    avro = avro_type(model_name, model, docs, path, kind)
    if path == "id":
        return {"name": name, "type": avro, "doc": doc}
    out = {"name": name, "type": ["null", avro], "default": None}
    if kind == "object":
        out["propexo.json"] = True
        doc = f"{JSON_DOC} {doc}".strip()
    if doc:
        out["doc"] = doc
    return out


def schema(model_name, model, docs):
    if "id" not in model["fields"] or model["fields"]["id"] != "string":
        fail(f"{model_name} has no id")
    fields = [field(model_name, model, docs, name, kind) for name, kind in model["fields"].items()]
    return {"type": "record", "name": camel(model_name), "namespace": NAMESPACE, "doc": model["doc"],
            "fields": fields + [UNMAPPED]}


def write_field(out, indent):
    """One field a line; a list of records opens up over several lines."""
    array = out["type"][1] if isinstance(out["type"], list) else None
    items = array.get("items") if isinstance(array, dict) else None
    if not isinstance(items, dict):
        return " " * indent + json.dumps(out)
    inner = ",\n".join(write_field(item, indent + 2) for item in items["fields"])
    head = json.dumps({**items, "fields": []})[:-2]
    rest = json.dumps({key: value for key, value in out.items() if key not in ("name", "type")})[1:]
    return (f'{" " * indent}{{"name": {json.dumps(out["name"])}, '
            f'"type": ["null", {{"type": "array", "items": {head}\n{inner}\n{" " * indent}]}}}}], {rest}')


def write_schema(avro):
    fields = ",\n".join(write_field(out, 4) for out in avro["fields"])
    head = ",\n".join(f"  {json.dumps(key)}: {json.dumps(avro[key])}" for key in ("type", "name", "namespace", "doc"))
    text = f'{{\n{head},\n  "fields": [\n{fields}\n  ]\n}}\n'
    assert json.loads(text) == avro
    return text


def c_text(text):
    return "NULL" if text is None else json.dumps(text)


def parents_of(name, models):
    """The initialisers of a child's struct model_parent rows."""
    rows = []
    for parent, parent_field, key in models[name].get("parents", []):
        if parent_field not in models.get(parent, {}).get("fields", {}):
            fail(f"{name}: its parent {parent} has no field {parent_field}")
        rows.append(f"{{{list(models).index(parent)}, {c_text(parent_field)}, {c_text(key)}}}")
    return rows


def table_row(name, models):
    """The arrays that a model's row points to, and the row."""
    model = models[name]
    path = model.get("get")
    if path is not None and path.count("{id}") != 1:
        fail(f"{name}: the by-id path does not hold {{id}} once")
    arrays = []
    row = [f".name = {c_text(name)}", f".list_path = {c_text(model.get('list'))}", f".get_path = {c_text(path)}"]
    query = model.get("query", [])
    if query:
        arrays.append(f"static const char *const QUERY_{name}[] = {{{', '.join(map(c_text, query))}}};")
        row += [f".query = QUERY_{name}", f".query_count = {len(query)}"]
    if "integration_id" in query:
        row.append(".by_integration = true")
    parents = parents_of(name, models)
    if parents:
        arrays.append(f"static const struct model_parent PARENTS_{name}[] = {{{', '.join(parents)}}};")
        row += [f".parents = PARENTS_{name}", f".parent_count = {len(parents)}"]
    return arrays, f"    {{{', '.join(row)}}},"


def table(models):
    rows = [table_row(name, models) for name in models]
    return ("/* Written by schemas/generate.py from schemas/models.json: change that and run `make schemas`. */\n"
            + "\n".join(line for arrays, _ in rows for line in arrays)
            + "\n\nstatic const struct model MODELS[] = {\n" + "\n".join(row for _, row in rows) + "\n};\n")


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit("usage: generate.py [--check]")
    source = json.loads((HERE / "models.json").read_text(encoding="utf-8"))
    models = source["models"]
    if list(models) != sorted(models) or not all(NAME.fullmatch(name) for name in models):
        fail("the models are not sorted by name, or one is no Avro name")
    docs = Docs(source)
    wanted = {HERE / f"{name}.avsc": write_schema(schema(name, model, docs))
              for name, model in models.items() if model.get("list")}
    wanted[HERE / "assembled.avsc"] = write_schema(ASSEMBLED)
    wanted[TABLE] = table(models)
    unwanted = set(HERE.glob("*.avsc")) - set(wanted)
    different = [path for path, text in wanted.items()
                 if not path.exists() or path.read_bytes() != text.encode()]
    if check and (different or unwanted):
        for path in sorted(different + list(unwanted)):
            print(f"{path.relative_to(HERE.parent)} is not what schemas/generate.py makes: run `make schemas`")
        sys.exit(1)
    for path in different:
        path.write_bytes(wanted[path].encode())
    for path in unwanted:
        path.unlink()


if __name__ == "__main__":
    main()
