/* The film on the first page: started where motion is welcome, stopped by its button and while it is off the screen. */
(function () {
  "use strict";
  const film = document.querySelector(".film"), button = film && film.querySelector("button");
  if (!film) return;
  function play(on) {
    film.classList.add("started");
    film.classList.toggle("paused", !on);
    button.textContent = on ? "Pause" : "Play";
  }
  button.hidden = false;
  new IntersectionObserver((seen) => film.classList.toggle("away", !seen[seen.length - 1].isIntersecting)).observe(film);
  button.addEventListener("click", () => play(button.textContent === "Play"));
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) button.textContent = "Play";
  else play(true);
})();
