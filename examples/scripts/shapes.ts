interface Shape {
    readonly name: string;
    area(): number;
}

class Circle implements Shape {
    readonly name = "circle";
    constructor(private readonly radius: number) {}
    area(): number {
        return Math.PI * this.radius ** 2;
    }
}

function largest<T extends Shape>(shapes: T[]): T {
    if (shapes.length === 0)
        throw new RangeError("no shapes");
    return shapes.reduce((a, b) => (a.area() > b.area() ? a : b));
}

console.log(largest([new Circle(1), new Circle(2)]).area().toFixed(3));
largest([]);
