"""What python-science has beyond python: run before driver.py, which it hands over to.

numpy, pandas and matplotlib are imported ahead, in an image that serves many runs. The data of matplotlib (fonts, styles)
lies in an archive inside the library's archive: it goes into the tree when matplotlib is first imported, as the library
looks for files there.
"""
import os
import sys

DIRECTORY = "/.adk"
PLACE = "/usr/local/share/matplotlib"
UNUSED = ("mpl-data/images/", "mpl-data/sample_data/", "mpl-data/plot_directive/")


class Finder:
    """Finds matplotlib once, and has it believe that it lies where its data is."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "matplotlib":
            return None
        import importlib.util
        sys.meta_path.remove(cls)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            cls.unpack(spec.loader)
            spec.origin = PLACE + "/__init__.py"
            os.environ.setdefault("MPLBACKEND", "agg")
            os.environ.setdefault("MPLCONFIGDIR", PLACE)
        return spec

    @staticmethod
    def unpack(loader):
        import io
        import zipfile
        data = loader.get_data(loader.archive + "/matplotlib/mpl-data.zip")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                if not ("mpl-data/" + name).startswith(UNUSED):
                    archive.extract(name, PLACE + "/mpl-data")


def draw():
    """Text, ticks and a file: what a first plot makes is there for all others."""
    import io
    import matplotlib.pyplot as pyplot
    figure, axes = pyplot.subplots()
    axes.plot([1, 2], [1, 3], label="a")
    axes.set_title("a")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close(figure)


def work():
    """A frame that is read, grouped and shown: what pandas imports and makes only then."""
    import io
    import numpy
    import pandas
    frame = pandas.read_csv(io.StringIO("a,b\n1,x\n2,y\n"))
    str(frame), str(frame.groupby("b")["a"].mean()), str(frame.describe())
    str(numpy.linalg.inv(numpy.eye(2))), numpy.fft.fft(numpy.ones(4)), numpy.random.default_rng(1).normal(size=4)


def fail():
    """What showing an error takes."""
    import traceback
    for code in ("1 /", "1 / 0", "nothing"):
        try:
            exec(compile(code, "<nothing>", "exec"), {})
        except Exception as error:
            "".join(traceback.format_exception(error))


def main():
    os.unlink(DIRECTORY + "/science.py")
    sys.meta_path.insert(0, Finder)
    if not os.path.exists(DIRECTORY + "/run") and "ADK_ONCE" not in os.environ:
        fail()
        work()
        draw()
    with open(DIRECTORY + "/driver.py", "rb") as file:
        return compile(file.read(), DIRECTORY + "/driver.py", "exec")


exec(main(), {"__name__": "__main__", "__builtins__": __builtins__})
