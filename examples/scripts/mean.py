"""The mean of the arguments."""
import statistics
import sys

numbers = []
for word in sys.argv[1:]:
    print(f"reading {word!r}")
    numbers.append(float(word))
print(statistics.mean(numbers))
