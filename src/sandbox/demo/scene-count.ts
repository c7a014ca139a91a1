/** How many scenes there are: known without loading what they need. */
export const SCENE_COUNT = 6
