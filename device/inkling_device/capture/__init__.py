"""Where samples come from: microphone, camera, a watched folder, typed messages, and files given by name."""
