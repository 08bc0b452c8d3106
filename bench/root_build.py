"""Compiles C++ against the ROOT of .venv-root, once for each text; nothing where ROOT or g++ are not at hand."""
import glob
import hashlib
import os
import shutil
import subprocess

LIBRARIES = "Core RIO Net Hist Tree TreePlayer MathCore Thread ROOTVecOps ROOTDataFrame ROOTNTuple Imt".split()
HERE = os.path.dirname(os.path.abspath(__file__))


def home():
    """Folder of ROOT in .venv-root, or None."""
    found = glob.glob(os.path.join(os.path.dirname(HERE), ".venv-root", "lib", "python*", "site-packages", "ROOT"))
    return found[0] if found and shutil.which("g++") else None


def build(name, source):
    """Path of the program made of `source`, which may include shapes.hpp: kept beside the data."""
    root, data = home(), os.environ.get("MLAAS_BENCH_DATA", os.path.join("build", "bench-data"))
    folder = os.path.abspath(os.path.join(data, "programs"))
    mark = hashlib.sha1((source + open(os.path.join(HERE, "shapes.hpp")).read()).encode()).hexdigest()[:12]
    program = os.path.join(folder, f"{name}-{mark}")
    if os.path.exists(program):
        return program
    os.makedirs(folder, exist_ok=True)
    with open(program + ".cxx", "w") as file:
        file.write(source)
    dictionary = os.path.join(folder, "shapes_dict.cxx")
    subprocess.run([os.path.join(root, "bin", "rootcling"), "-f", dictionary, os.path.join(HERE, "shapes.hpp")],
                   cwd=folder, check=True)
    flags = ["-std=c++20", "-w", "-O2", "-march=native", "-pthread", f"-I{root}/include", f"-I{HERE}"]
    linking = [f"-L{root}/lib", f"-Wl,-rpath,{root}/lib", f"-Wl,-rpath-link,{root}/../root.libs",
               "-Wl,--allow-shlib-undefined", "-Wl,--no-as-needed", *["-l" + library for library in LIBRARIES]]
    subprocess.run(["g++", *flags, program + ".cxx", dictionary, "-o", program + ".part", *linking], check=True)
    os.replace(program + ".part", program)
    return program
