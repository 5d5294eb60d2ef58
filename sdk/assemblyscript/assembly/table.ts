// What is known by numbers: contexts, and what is under way.

/** What a table holds. It is a member of one table at most. */
export abstract class Item {
  /** @internal */ _id: u32 = 0;
  /** @internal */ _chain: Item | null = null;
}

/** Items by their numbers. Adding one makes no garbage, unless the table has to grow. */
export class Table {
  private heads: StaticArray<Item | null> = new StaticArray<Item | null>(16);
  private count: i32 = 0;

  get(id: u32): Item | null {
    let item = this.heads[id & (this.heads.length - 1)];
    while (item) {
      if (item._id == id) return item;
      item = item._chain;
    }
    return null;
  }

  add(id: u32, item: Item): void {
    item._id = id;
    if (++this.count > 2 * this.heads.length) this.grow();
    this.put(item);
  }

  remove(id: u32): void {
    const at = id & (this.heads.length - 1);
    let before: Item | null = null, item = this.heads[at];
    while (item) {
      if (item._id == id) {
        if (before) before._chain = item._chain;
        else this.heads[at] = item._chain;
        item._chain = null;
        this.count--;
        return;
      }
      before = item;
      item = item._chain;
    }
  }

  private put(item: Item): void {
    const at = item._id & (this.heads.length - 1);
    item._chain = this.heads[at];
    this.heads[at] = item;
  }

  private grow(): void {
    const old = this.heads;
    this.heads = new StaticArray<Item | null>(old.length * 4);
    for (let i = 0; i < old.length; i++) {
      let item = old[i];
      while (item) {
        const next = item._chain;
        this.put(item);
        item = next;
      }
    }
  }
}
