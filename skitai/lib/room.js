// A room of Skitai for pages: https://…/docs/websocket.md#history
//
//     const room = new SkitaiRoom("/websocket/chat?room=lobby");
//     room.onmessage = (data, number) => show(data);      // number: 0 where it is for us alone
//     room.onstate = (state, missed) => tell(state);
//     room.send("hello");
//
// It connects, connects again when the connection has ended, and then says how far it has got, so that it
// gets what it has missed.  `state` is one of
//
//     "open"     connected; nothing was missed
//     "lost"     messages are gone: as many as `missed` says, or NaN: nobody knows
//     "closed"   there is no connection now; another attempt follows
//     "ended"    there is none, and none follows: we, or the application, have closed it
//     "gone"     messages of other processes do not come: their bus is gone
//     "back"     they do again
class SkitaiRoom {
  static PROTOCOL = "skitai.room";
  // Seconds between attempts: at first, at most.
  static FIRST = 0.25;
  static LONGEST = 15;

  onmessage = () => {};
  onstate = () => {};

  #url;
  #socket = null;
  #timer = 0;
  #attempts = 0;
  #epoch = "";
  #number = 0;

  constructor(url) {
    const base = typeof location === "undefined" ? undefined : location.href;
    this.#url = new URL(url, base);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    // Whoever has made us sets its callbacks first.
    this.#timer = setTimeout(() => this.#connect(), 0);
  }

  // False: there is no connection now, and the message was not sent.
  send(data) {
    const isOpen = this.#socket !== null && this.#socket.readyState === 1;
    if (isOpen) this.#socket.send(data);
    return isOpen;
  }

  close(code = 1000, reason = "") {
    clearTimeout(this.#timer);
    this.#timer = -1;
    if (this.#socket === null) this.onstate("ended");
    else this.#socket.close(code, reason);
  }

  #connect() {
    const url = new URL(this.#url);
    if (this.#epoch) url.searchParams.set("skitai-last", `${this.#epoch}-${this.#number}`);
    const socket = new WebSocket(url, SkitaiRoom.PROTOCOL);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = (event) => this.#end(event.code);
    this.#socket = socket;
  }

  #end(code) {
    this.#socket = null;
    // 1000, and what applications have their own codes for, was meant.
    if (this.#timer === -1 || code === 1000 || code >= 4000) {
      this.onstate("ended");
      return;
    }
    // Each waits for a time of its own: all clients of a server that ends come back.
    const longest = Math.min(SkitaiRoom.LONGEST, SkitaiRoom.FIRST * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.#connect(), 1000 * longest * (0.5 + Math.random() / 2));
    this.onstate("closed");
  }

  #hear(data) {
    if (typeof data !== "string") {
      const number = Number(new DataView(data).getBigUint64(0));
      this.#deliver(data.slice(8), number);
    } else if (data.startsWith("!")) {
      this.#learn(JSON.parse(data.slice(1)));
    } else {
      const colon = data.indexOf(":");
      this.#deliver(data.slice(colon + 1), Number(data.slice(0, colon)));
    }
  }

  #deliver(data, number) {
    if (number > 0) {
      if (number <= this.#number) return;
      // We were too slow, and the server has dropped some.
      if (number > this.#number + 1) this.onstate("lost", number - this.#number - 1);
      this.#number = number;
    }
    this.onmessage(data, number);
  }

  #learn(said) {
    this.#attempts = 0;
    if (said.state === "back") {
      this.onstate("back");
      return;
    }
    const isSame = said.epoch === this.#epoch;
    const missed = isSame ? said.number - this.#number : NaN;
    // What was missed comes now, each with its number.
    if (said.state !== "resumed" && said.epoch) {
      this.#epoch = said.epoch;
      this.#number = said.number;
    }
    if (said.state === "lost") this.onstate("lost", missed);
    else this.onstate(said.state === "gone" ? "gone" : "open");
  }
}

if (typeof module !== "undefined") module.exports = { SkitaiRoom };
