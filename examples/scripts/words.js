// Counts the words of standard input.
const counts = new Map();
for (const word of std.in.readAsString().split(/\W+/).filter(Boolean))
    counts.set(word, (counts.get(word) || 0) + 1);
const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3);
console.log("%d different words, most often:", counts.size, most);
