// A worker that says every 50 ms that time goes on, whether or not anybody looks at the page.
setInterval(() => postMessage(0), 50);
