import { first } from "./modules.js";
export const name = "cycle";
export const second = () => `${first} and second`;
