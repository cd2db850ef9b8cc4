#!/usr/bin/env python3
"""Gathers the whole file system of an image: one program, the shared libraries it needs, and what says where they are from.

    rootfs.py --gnu x86_64-linux-gnu --arch amd64 --version 0.1.0 --output /rootfs build/propexo-bridge

No shell, no package manager and no file that is not needed gets in. Each library belongs to a Debian package, or this
fails: the packages are listed where scanners look (var/lib/dpkg/status.d, usr/share/sbom), with their licences. It runs
in the Dockerfile's build stage and needs Python, binutils and dpkg alone; the machine's architecture may be another.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import uuid

USER = 65532  # as in the Helm chart
CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
LICENCE = "MIT"


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def needed(path):
    """The names of the shared libraries that an ELF file asks for."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "--dynamic", "--wide", str(path)))


def interpreter(path):
    return pathlib.Path(re.search(r"program interpreter: (.*)\]", run("readelf", "--program-headers", "--wide", str(path)))[1])


def libraries(program, gnu):
    """name -> file of every library that the program needs, and those need."""
    found, open_names = {}, needed(program)
    while open_names:
        name = open_names.pop()
        if name in found:
            continue
        places = [pathlib.Path(f"/usr/lib/{gnu}") / name, pathlib.Path(f"/lib/{gnu}") / name]
        found[name] = next((place for place in places if place.exists()), None)
        if found[name] is None:
            raise SystemExit(f"rootfs.py: {name} is in none of {', '.join(map(str, places))}")
        open_names += needed(found[name])
    return found


def package_of(path):
    """The Debian package that brought a file. /lib may be a link to /usr/lib: packages know either path."""
    real = os.path.realpath(path)
    for place in dict.fromkeys((str(path), real, real.removeprefix("/usr"), "/usr" + real)):
        found = subprocess.run(["dpkg-query", "--search", place], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if found.returncode == 0:
            return found.stdout.split(": ")[0].split(",")[0]
    raise SystemExit(f"rootfs.py: {path} belongs to no package")


def describe(package):
    names = ["Package", "Version", "Architecture", "source:Package", "source:Version", "Homepage", "Maintainer"]
    line = run("dpkg-query", "--show", "--showformat", "\\t".join(f"${{{name}}}" for name in names), package)
    return dict(zip(names, line.split("\t"))) | {"id": package}


class Root:
    def __init__(self, top):
        self.top = pathlib.Path(top)
        for name in ("usr/bin", "usr/lib", "usr/lib64", "etc/propexo-bridge", "etc/ssl/certs", "var/lib/dpkg/status.d",
                     "usr/share/sbom", "proc", "sys", "dev"):
            (self.top / name).mkdir(parents=True)
        for name in ("lib", "lib64"):
            (self.top / name).symlink_to(f"usr/{name}")

    def place(self, path):
        """Where a path of the machine lies here: directories of the root are links into usr."""
        path = pathlib.Path(path)
        parts = path.relative_to("/").parts
        return self.top / ("usr" if parts[0] in ("lib", "lib64") else "") / pathlib.Path(*parts)

    def copy(self, source, path, mode=0o644):
        target = self.place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(mode)

    def write(self, path, text):
        target = self.place(path)
        target.write_text(text)
        target.chmod(0o644)

    def folder(self, path, mode, owner=0):
        target = self.place(path)
        target.mkdir(parents=True, exist_ok=True)
        os.chown(target, owner, owner)
        target.chmod(mode)


def spdx(name, version, arch, packages, moment):
    """The bill of materials as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), a package an entry."""
    def entry(identity, **fields):
        return {"SPDXID": identity, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
                "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION"} | fields

    def identity(package):
        return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"deb-{package['Package']}")

    def purl(package):
        version = package["Version"].replace("+", "%2B").replace(":", "%3A")
        return f"pkg:deb/debian/{package['Package'].replace('+', '%2B')}@{version}?arch={package['Architecture']}&distro=debian-12"

    entries = [entry("SPDXRef-program", name=name, versionInfo=version, licenseDeclared=LICENCE,
                     primaryPackagePurpose="APPLICATION", supplier="NOASSERTION")]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-program")]
    for package in packages:
        more = {"homepage": package["Homepage"]} if package["Homepage"] else {}
        entries.append(entry(
            identity(package), name=package["Package"], versionInfo=package["Version"], licenseDeclared="NOASSERTION",
            sourceInfo=f"built from {package['source:Package']} {package['source:Version']}", supplier="Organization: Debian",
            externalRefs=[{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(package)}],
            **more))
        relations.append(("SPDXRef-program", "DEPENDS_ON", identity(package)))
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"{name}-{version}-{arch}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{version}-{arch}-{uuid.uuid4()}",
        "creationInfo": {"created": moment, "creators": ["Tool: propexo-bridge-rootfs.py"]},
        "packages": entries,
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                          for one, kind, other in relations],
    }


def main():
    parser = argparse.ArgumentParser()
    for name in ("gnu", "arch", "version", "output"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("program")
    arguments = parser.parse_args()
    program = pathlib.Path(arguments.program)
    root = Root(arguments.output)

    files = libraries(program, arguments.gnu)
    loader = interpreter(program)
    root.copy(program, f"/usr/bin/{program.name}", 0o755)
    for name, file in files.items():
        if name != loader.name:
            root.copy(file, file)
    root.copy(loader, loader, 0o755)
    root.copy(CERTIFICATES, CERTIFICATES)
    root.copy("/etc/os-release", "/etc/os-release")
    root.write("/etc/passwd", f"root:x:0:0::/:/nonexistent\nbridge:x:{USER}:{USER}::/nonexistent:/nonexistent\n")
    root.write("/etc/group", f"root:x:0:\nbridge:x:{USER}:\n")
    root.write("/etc/nsswitch.conf", "hosts: files dns\n")
    root.folder("/tmp", 0o1777)
    for folder in ("/var/lib/propexo-bridge", "/var/lib/propexo-bridge/spool", "/var/cache/propexo-bridge"):
        root.folder(folder, 0o700, USER)

    origins = {package_of(file) for file in [*files.values(), loader]} | {package_of("/etc/os-release"), "ca-certificates"}
    packages = sorted(map(describe, origins), key=lambda package: package["Package"])
    for package in packages:
        name = package["Package"]
        root.write(f"/var/lib/dpkg/status.d/{name}", run("dpkg-query", "--status", package["id"]))
        root.copy(f"/usr/share/doc/{name}/copyright", f"/usr/share/doc/{name}/copyright")
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or datetime.datetime.now(datetime.timezone.utc).timestamp())
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    bill = spdx(program.name, arguments.version, arguments.arch, packages, moment)
    root.write(f"/usr/share/sbom/{program.name}.spdx.json", json.dumps(bill, indent=1) + "\n")


if __name__ == "__main__":
    main()
